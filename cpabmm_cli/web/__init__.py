"""The page of ``cpabmm app``: animate in a browser, on this machine."""
