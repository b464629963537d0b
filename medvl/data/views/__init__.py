"""The registered views: general ones, and the recipes of the papers, each a small declaration of shared steps.

A store holds squares: where a paper scales the short side and cuts along the long one, the centre square that the
store keeps (`fit: crop`) takes the place of that cut, or the whole radiograph with its margins (`fit: pad`).
Gray comes out once; three equal channels add nothing, see `medvl.models.channels`.
"""
