"""Charts as inline SVG, so that the page needs no library.

    svg         what all of them share: sizes, colours, figures
    lines       curves over training steps
    intervals   scores with their 95% intervals

The colours come from the page's style sheet (classes s0 to s5). All sizes are in SVG units.
"""
