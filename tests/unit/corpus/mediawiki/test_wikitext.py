"""Wikitext to paragraphs and links: kept text, removed markup, broken markup."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mwparserfromhell")

from masksearch.corpus.mediawiki.wikitext import clean_wikitext, page_kind

END = " The rest of the sentence is plain."


def text_of(source):
    return clean_wikitext(source)[0]


def anchors(source):
    text, links = clean_wikitext(source)
    return [(text[start:end], target) for start, end, target in links]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (
            "'''Ada''' ''wrote'' programs.<ref>{{cite book|title=X}}</ref> Many.<ref name=a /> All.",
            "Ada wrote programs. Many. All.",
        ),
        ("One <!-- [[hidden]] -->sentence.", "One sentence."),
        ("A {{convert|5|km|mi}} walk, {{convert|10|to|12|C|F}} warm.", "A 5 km walk, 10 to 12 °C warm."),
        ("He was {{convert|6|ft|2|in|m}} tall, born {{circa|1890}}.", "He was 6 ft 2 in tall, born c. 1890."),
        (
            "Rand ({{IPA|x}}; {{OldStyleDate|February 2|1905|January 20}} – {{birth date|1982|3|6|df=y}})"
            " is.",
            "Rand (February 2, 1905 – 6 March 1982) is.",
        ),
        ("The ''{{lang|fr|mot juste}}'' is {{nowrap|10 km}} off.", "The mot juste is 10 km off."),
        ("The word {{lang|fr|[[mot]]}} is old.", "The word mot is old."),
        ("Albedo ({{IPAc-en|a|l}}) is a number.", "Albedo is a number."),
        (
            "Aristotle ({{IPAc-en|a}}; {{lang-grc|Ἀριστοτέλης}}; 384–322 BC) taught.",
            "Aristotle (Ἀριστοτέλης; 384–322 BC) taught.",
        ),
        ("Achilles (pronounced {{IPA|x}}, born early) fought.", "Achilles (born early) fought."),
        ("Berlin (Germany; {{audio|x.ogg|listen}}) is large.", "Berlin (Germany) is large."),
        ("A word, {{unknown}}, is gone.", "A word, is gone."),
        ("The end {{citation needed|date=May}}. Next.", "The end. Next."),
        (
            "Water is H<sub>2</sub>O; a km<sup>2</sup> in the 19<sup>th</sup> century.",
            "Water is H2O; a km² in the 19th century.",
        ),
        ("See [http://example.org the page] or http://example.org now.", "See the page or now."),
        ("<nowiki>[[not a link]]</nowiki> is shown.", "[[not a link]] is shown."),
        ("Caf&eacute; &amp; bar, 5&nbsp;km, a &lt; b.", "Café & bar, 5 km, a < b."),
        ("If a<n and k>d it holds.", "If a<n and k>d it holds."),
        ("[[File:A.jpg|thumb|A [[cat]] sits]]Cats sleep.[[Category:Cats]]", "Cats sleep."),
        ("[[de:Katze]]Cats sleep. {{DEFAULTSORT:Cat}}__NOTOC__", "Cats sleep."),
        ("l'''Étranger'' est un roman ; c'est '''tout''' !", "l'Étranger est un roman ; c'est tout !"),
        (
            "Au {{s|XIX|e}}, le {{date|14|juillet|1789}}, {{unité|5|km|2}}.",
            "Au XIXe siècle, le 14 juillet 1789, 5 km².",
        ),
        ("-{zh-hans:计算机;zh-hant:電腦}-是一种机器。-{H|zh:x}-", "计算机是一种机器。"),
        ("{{formatnum:1234567}} personas viven aquí.", "1234567 personas viven aquí."),
    ],
)
def test_inline_markup(source, wanted):
    assert text_of(source) == wanted


def test_paragraphs_headings_and_sections_left_out():
    source = (
        "First line.\nSame paragraph.\n\nSecond.\n== History ==\nThird.\n"
        "=== See also ===\n* A page of sentences.\n==== Deeper ====\nGone.\n"
        "== Later ==\nFourth.\n==Legacy==\nFifth.\n== Notes et références ==\nGone.\n=== Sources ===\nGone.\n"
    )
    assert text_of(source) == "First line. Same paragraph.\n\nSecond.\n\nThird.\n\nFourth.\n\nFifth."


@pytest.mark.parametrize(
    "name",
    [
        "References",
        "External links",
        "Further reading",
        "Bibliografía",
        "Véase también",
        "Liens externes",
        "Voir aussi",
        "参考文献",
        "外部連結",
    ],
)
def test_sections_without_prose_in_four_languages(name):
    assert text_of(f"Text of the article.\n== ''{name}'' ==\nA sentence here.\n") == "Text of the article."


def test_tables_galleries_code_and_formulas_go():
    source = (
        'Before it.\n{| class="x"\n|-\n| cell {{!}} a sentence.\n{|\n| inner.\n|}\n|}\nAfter it.\n'
        "<gallery>\nFile:A.jpg|A caption.\n</gallery>\n"
        "<syntaxhighlight lang=c>\nint main() {{ }}.\n</syntaxhighlight>\n"
        "<table><tr><td>Cell.</td></tr></table>\nLast one.\n"
    )
    assert text_of(source) == "Before it.\n\nAfter it.\n\nLast one."


def test_sentences_that_lost_a_formula_or_a_number_go():
    assert (
        text_of("The sum is known. It equals <math>x^2</math>, where x is small. It is used a lot.")
        == "The sum is known. It is used a lot."
    )
    assert (
        text_of("The stage fell into the sea at {{coord|1|2}} and sank. Nobody saw it.") == "Nobody saw it."
    )
    assert (
        text_of("One <math>a</math>. Two <math>b</math>. Three <math>c</math>. Four is plain.\n\nNext.")
        == "Next."
    )


def test_a_sentence_whose_first_words_lost_their_object_goes():
    assert (
        text_of("It is old. In {{x}}, it burned. Of {{y}}. It was rebuilt.") == "It is old. It was rebuilt."
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("The sonata in B{{music|flat}} minor is his.", "The sonata in B♭ minor is his."),
        ("It is in F{{music|#}} or G{{flat}} major.", "It is in F♯ or G♭ major."),
        ("It ends on A{{music|natural}} and C{{sharp}}.", "It ends on A♮ and C♯."),
        ("Le {{1er}} janvier et le {{2e}} siècle.", "Le 1er janvier et le 2e siècle."),
        ("François {{Ier}} meurt, la {{1re}} fois.", "François Ier meurt, la 1re fois."),
        ("Le 1{{er}} mai, la 1{{re}} armée.", "Le 1er mai, la 1re armée."),
    ],
)
def test_templates_that_carry_meaning_are_kept(source, text):
    assert text_of(source) == text


def test_lists_keep_sentences_only():
    source = (
        "It is known for:\n* [[Cheese]]\n* The old town, which was built in 1200.\n# Wine.\n"
        ": Indented sentences stay too.\n\nProse follows."
    )
    assert (
        text_of(source)
        == "The old town, which was built in 1200.\nIndented sentences stay too.\n\nProse follows."
    )


def test_links_are_spans_of_the_text():
    source = (
        "''[[Charles Babbage|Babbage]]'' met [[ada_Lovelace]] ([[:fr:Paris|Paris]]) in "
        "[[London#History|the city]], saw [[bus]]es, [[#top|up]], [[wikt:cat|cat]]."
    )
    assert anchors(source) == [
        ("Babbage", "Charles Babbage"),
        ("ada Lovelace", "Ada Lovelace"),
        ("the city", "London"),
        ("buses", "Bus"),
    ]
    assert anchors("[[Star Trek: First Contact]] and [[A|{{lang|fr|''mot''}}]], [[é]].") == [
        ("Star Trek: First Contact", "Star Trek: First Contact"),
        ("mot", "A"),
        ("é", "É"),
    ]
    assert anchors(
        "{{x}} ({{IPA|x}}, [[Greek language|Greek]]: x) is. {{cite|[[no]]}}\n\n{{unclosed [[gone]] here."
        "\n\nThe [[second|  2nd ]] one."
    ) == [
        ("Greek", "Greek language"),
        ("2nd", "Second"),
    ]
    assert anchors("{{nowrap|[[A b|c]] d}} is {{convert|5|km}} of [[北京市|北京]]s.") == [
        ("c", "A b"),
        ("北京s", "北京市"),
    ]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("Good one.\n\nBorn {{convert|5|km in a town.\n\nGood two.", "Good one.\n\nGood two."),
        ("{{Infobox\n| name = x\n| a = {{b}}\n\nGood one.\n\nGood two.", "Good one.\n\nGood two."),
        ("Good one.\n\nA note<ref>{{cite}} never closed.\n\nGood <ref>x</ref>two.", "Good one.\n\nGood two."),
        ("Good one.\n{| class=x\n| cell\n\nGood two.", "Good one.\n\nGood two."),
        ("Good [[one.\n\nGood two]].", "Good one.\n\nGood two."),
        ("Good one}}.\n\nGood <b>two.", "Good one.\n\nGood two."),
        ("Good one.\n\n<!-- never closed. Gone.\n\nGood two.", "Good one.\n\nGood two."),
        ("\ue000Good\ue001 \U000f0000one&#xE000;.", "Good one."),
    ],
)
def test_broken_markup_costs_its_paragraph(source, wanted):
    assert text_of(source) == wanted


UNCLOSED = [
    "{{a|",
    "[[a|",
    "{{lang|fr|",
    "[http://a ",
    "http://a ",
    "<ref>",
    "<br ",
    '<a b="',
    "\n{|",
    "''' a ''",
    "\n* ",
    "<!--",
    "\n==a",
    "(",
    "-{",
]


@pytest.mark.parametrize("piece", UNCLOSED)
def test_pathological_markup_takes_linear_time(piece):
    started = time.process_time()
    clean_wikitext("Start. " + piece * (5_000 // len(piece)))
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("title", "source", "kind"),
    [
        ("Ada", "#REDIRECT [[B]]", "a redirect"),
        ("Ada", "#重定向 [[B]]", "a redirect"),
        ("List of cats", "x", "a list page"),
        ("Anexo:Gatos", "x", "a list page"),
        ("Liste d'animaux", "x", "a list page"),
        ("中国城市列表", "x", "a list page"),
        ("Mercury (disambiguation)", "x", "a disambiguation page"),
        ("Mercury", "x\n{{Disambiguation|geo}}", "a disambiguation page"),
        ("Mercure", "x {{homonymie}}", "a disambiguation page"),
        ("水星", "{{消歧义}}", "a disambiguation page"),
        ("Listening", "A sentence.", ""),
    ],
)
def test_pages_that_are_no_articles(title, source, kind):
    assert page_kind(title, source) == kind


MARKUP = [
    "{{",
    "}}",
    "[[",
    "]]",
    "|",
    "''",
    "'''",
    "<ref>",
    "</ref>",
    "{|",
    "|}",
    "\n",
    "==",
    "* ",
    "a.",
    "File:",
    "lang",
    "&amp;",
]
MARKUP += ["<math>", "-{", "(", ")", ",", "<!--", "-->", "\ue001", "é", "中。"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(MARKUP), max_size=60).map("".join) | st.text(max_size=80))
def test_any_source_gives_whole_links_and_no_private_characters(source):
    text, links = clean_wikitext(source)
    assert not any("\ue000" <= character <= "\ue00f" or character >= "\U000f0000" for character in text)
    for start, end, target in links:
        assert 0 <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert target
