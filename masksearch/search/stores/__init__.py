"""Indexes whose passages are stored by an engine, for corpora beyond the memory and disk of one machine.

The index folder holds only the manifest (and, for lancedb without a `store`, the engine's files). Engines
index terms that `text/terms.py` has cut and stemmed, so that a language is searched in the same way by
every engine.

    masksearch index docs.jsonl -o index/ --kind lancedb
        in the index folder
    masksearch index docs.jsonl -o index/ --kind lancedb --store s3://bucket/path
        on object storage, read by any number of machines
    masksearch index docs.jsonl -o index/ --kind opensearch --store http://host:9200/name
        in a cluster
"""

from typing import Final

ENGINES: Final = {
    "lancedb": "masksearch.search.stores.lance:LanceEngine",
    "opensearch": "masksearch.search.stores.opensearch:OpenSearchEngine",
}
"""Kind of index -> its engine, imported when an index of the kind is built or opened."""
