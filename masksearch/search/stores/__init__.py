"""Passages kept by an engine that grows past the memory and the disk of one machine.

The index folder holds the manifest alone (and, for lancedb without a `store`, the engine's files). An engine is given terms that were cut and
stemmed here (search/text.py), so that every language is searched alike, whichever engine does it.

    masksearch index docs.jsonl -o index/ --kind lancedb                                     in the index folder
    masksearch index docs.jsonl -o index/ --kind lancedb --store s3://bucket/path            on object storage, read by any number of machines
    masksearch index docs.jsonl -o index/ --kind opensearch --store http://host:9200/name    in a cluster
"""
