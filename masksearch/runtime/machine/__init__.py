"""What this machine has: free disk, free memory, and what this process has used of them."""
