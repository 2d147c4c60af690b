"""Charts as inline SVG, so that the page needs no library.

    svg         what all of them share: sizes, colours, figures
    lines       curves over training steps
    rows        plots of one row for each value: name, drawing on a common axis, figures
    intervals   scores with their 95% intervals, and dots for single seeds
    forest      paired differences around a zero line

The colours come from the page's style sheet (classes s0 to s5). All sizes are in SVG units.
"""
