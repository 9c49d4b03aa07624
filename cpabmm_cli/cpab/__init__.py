"""What `fit-cpab` is made of: its files, the fit, and the use of fitted transformations."""
