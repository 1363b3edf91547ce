"""Video: read it, follow its faces, predict and explain every frame, and write it down again."""
