"""Questions over a data set, each with an answer that is a picture, tables and a sentence."""
