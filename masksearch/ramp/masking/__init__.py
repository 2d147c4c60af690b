"""Which spans are masked, how many, and the rules that every mask keeps."""
