"""A tiny sentence encoder with random weights, in the folder format of sentence-transformers."""

from pathlib import Path

WORDS = (
    "marie curie discovered radium paris capital france the cat sat on a mat element chemical footballer "
    "santos pele who found is of in"
)


def save_tiny_encoder(folder: Path, seed: int = 0) -> str:
    """Writes a sentence-transformers folder and returns its path."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    bert = folder / "bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", "passage", ":", *WORDS.split()])
    )
    torch.manual_seed(seed)
    model = BertModel(
        BertConfig(
            vocab_size=60,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        )
    )
    model.save_pretrained(bert)
    BertTokenizerFast(str(bert / "vocab.txt")).save_pretrained(bert)
    transformer = Transformer(str(bert))
    encoder = SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu")
    encoder.save(str(folder / "encoder"))
    return str(folder / "encoder")
