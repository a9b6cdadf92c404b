"""How traffic walks from the stable release to the candidate. Pure, standard library only."""
