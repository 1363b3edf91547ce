"""Whether a map points at what the network needs: deletion and insertion, controls, the verdict, its calibration."""
