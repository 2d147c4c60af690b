"""Statistics of evaluations: intervals, paired tests, corrections for several tests.

resampling   one seed: intervals and paired tests by resampling questions
crossed      several seeds: seeds and questions as crossed units
shares       closed intervals: Wilson's for shares, a conservative one for equal scores
student      Student's t distribution
correction   corrections of p values for several tests
"""
