"""Small documents in the formats of the extra `documents`, made from Python values."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence

Run = tuple[float, float, str]
"""Where a piece of text starts on a page, in points from the bottom left, and its text."""


def pdf(pages: Sequence[Sequence[Run]], title: str = "", password: bool = False) -> bytes:
    """Returns a PDF whose pages show pieces of text in Helvetica of 10 points, in this order."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    kids = []
    for runs in pages:
        shown = "\n".join(f"1 0 0 1 {x} {y} Tm ({_escaped(text)}) Tj" for x, y, text in runs)
        content = zlib.compress(f"BT /F1 10 Tf\n{shown}\nET".encode("cp1252"))
        head = f"<< /Length {len(content)} /Filter /FlateDecode >>"
        objects.append(f"{head}\nstream\n{content.decode('latin-1')}\nendstream")
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {len(objects)} 0 R >>"
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    objects.append(f"<< /Title ({_escaped(title)}) >>")
    trailer = f"/Root 1 0 R /Info {len(objects)} 0 R"
    if password:
        key = "<" + "ab" * 32 + ">"
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O {key} /U {key} /P -44 >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<00> <00>]"
    out, places = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, io.SEEK_END)
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1"))
    start = out.tell()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    out.write(f"trailer << /Size {len(objects) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF".encode())
    return out.getvalue()


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def column(lines: Sequence[str], x: float, top: float = 740) -> list[Run]:
    """Returns lines below each other."""
    return [(x, top - 12 * number, line) for number, line in enumerate(lines)]


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """Returns a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def epub(title: str, chapters: Mapping[str, str], more: Mapping[str, str] | None = None) -> bytes:
    """Returns a book; `chapters` maps file names to the XHTML of their bodies."""
    items = "".join(f'<item id="{name}" href="text/{name}"/>' for name in chapters)
    spine = "".join(f'<itemref idref="{name}"/>' for name in chapters)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OPS/book.opf"/>'
            "</rootfiles></container>",
            "OPS/book.opf": package,
            **{
                f"OPS/text/{name}": '<?xml version="1.0" encoding="utf-8"?><html '
                f'xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{body}</body></html>'
                for name, body in chapters.items()
            },
            **(more or {}),
        }
    )
