"""Rules that write out the few templates whose words belong to a sentence. All other templates are left out.

A rule takes the positional parameters (already plain text) and the named ones, and returns the text, or an
empty string if it cannot write the template. The table has only templates whose output a line of code can
compute from their parameters: `{{convert|5|km|mi}}` becomes "5 km", not "5 km (3.1 mi)".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Rule = Callable[[Sequence[str], Mapping[str, str]], str]

_UNITS = {
    "sqmi": "sq mi",
    "sqft": "sq ft",
    "sqkm": "km²",
    "km2": "km²",
    "m2": "m²",
    "cm2": "cm²",
    "mm2": "mm²",
    "m3": "m³",
    "km3": "km³",
    "cm3": "cm³",
    "cuft": "cu ft",
    "cuin": "cu in",
    "cumi": "cu mi",
    "yd2": "sq yd",
    "sqyd": "sq yd",
    "C": "°C",
    "F": "°F",
    "C-change": "°C",
    "F-change": "°F",
    "acre": "acres",
    "kn": "knots",
    "usgal": "US gal",
    "impgal": "imp gal",
    "LT": "long tons",
    "ST": "short tons",
    "MT": "tonnes",
    "t": "tonnes",
    "nmi": "nautical miles",
    "metre": "metres",
    "kph": "km/h",
    "/sqmi": "per square mile",
    "/km2": "per square kilometre",
    "PD/sqmi": "per square mile",
    "PD/km2": "per square kilometre",
}
_BETWEEN = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "and": " and ",
    "or": " or ",
    "x": " × ",
    "by": " by ",
    "&": " and ",
    "+/-": " ± ",
    "±": " ± ",
}
_MONTHS = tuple(
    """January February March April May June July August September October November December""".split()  # noqa: SIM905
)
_ACCIDENTALS = {
    **dict.fromkeys(("b", "flat", "♭"), "♭"),
    **dict.fromkeys(("#", "sharp", "♯"), "♯"),
    **dict.fromkeys(("n", "natural", "♮"), "♮"),
    **dict.fromkeys(("bb", "double flat", "doubleflat"), "𝄫"),
    **dict.fromkeys(("##", "x", "double sharp", "doublesharp"), "𝄪"),
}
_SUPERSCRIPT = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def superscript(text: str) -> str:
    """Turns digits and signs into superscripts: `2` -> `²`. Other characters stay."""
    return text.translate(_SUPERSCRIPT)


def _at(number: int) -> Rule:
    """Returns the rule that writes the `number`-th positional parameter (from 1)."""
    return lambda args, named: args[number - 1] if len(args) >= number else ""


def _last(args: Sequence[str], named: Mapping[str, str]) -> str:
    return args[-1] if args else ""


def _fixed(text: str) -> Rule:
    """Returns the rule that always writes this text."""
    return lambda args, named: text


def _before(prefix: str) -> Rule:
    """Returns the rule that puts `prefix` before the first parameter."""
    return lambda args, named: f"{prefix}{args[0]}" if args and args[0] else ""


def _lang(args: Sequence[str], named: Mapping[str, str]) -> str:
    return named.get("texte") or named.get("text") or (args[1] if len(args) > 1 else "")


def _convert(args: Sequence[str], named: Mapping[str, str]) -> str:
    """Writes a measure in the unit of the article's author, without the conversion.

    The text has the numbers with the words between them ("5 to 10"), then the unit.
    """
    text, index = "", 0
    while index < len(args) and _is_number(args[index]):
        text += args[index]
        index += 1
        if index + 1 < len(args) and args[index] in _BETWEEN and _is_number(args[index + 1]):
            text += _BETWEEN[args[index]]
            index += 1
        else:
            break
    if not text or index >= len(args):
        return ""
    text = f"{text} {_UNITS.get(args[index], args[index])}"
    smaller = args[index + 1 : index + 3]  # 6 feet 2 inches: `6|ft|2|in`
    if args[index] in ("ft", "lb", "st", "mi") and len(smaller) == 2:
        number, unit = smaller
        if _is_number(number) and unit in ("in", "oz", "lb", "ft", "yd"):
            text += f" {number} {unit}"
    return text


def _is_number(text: str) -> bool:
    starts_like_number = bool(text) and (text[0].isdigit() or text[0] in "-−+.")
    return starts_like_number and any(character.isdigit() for character in text)


def _circa(args: Sequence[str], named: Mapping[str, str]) -> str:
    return " – ".join(f"c. {value}" for value in args[:2] if value) if args else "c."


def _reign(prefix: str) -> Rule:
    return lambda args, named: (
        f"{prefix} {'–'.join(value for value in args[:2] if value)}" if args and args[0] else ""
    )


def _fraction(args: Sequence[str], named: Mapping[str, str]) -> str:
    if len(args) >= 3:
        return f"{args[0]} {args[1]}/{args[2]}"
    return {0: "", 1: f"1/{args[0] if args else ''}"}.get(len(args), "/".join(args[:2]))


def _value(args: Sequence[str], named: Mapping[str, str]) -> str:
    if not args:
        return ""
    power = f"×10{superscript(named['e'])}" if named.get("e") else ""
    unit = named.get("u") or named.get("ul") or ""
    return f"{args[0]}{power}{' ' + _UNITS.get(unit, unit) if unit else ''}"


def _power_of_ten(args: Sequence[str], named: Mapping[str, str]) -> str:
    return f"×10{superscript(args[0])}" if args else ""


def _as_of(args: Sequence[str], named: Mapping[str, str]) -> str:
    parts = list(args[:3])
    if len(parts) > 1 and parts[1].isdigit() and 1 <= int(parts[1]) <= 12:
        parts[1] = _MONTHS[int(parts[1]) - 1]
    return f"{'as' if named.get('lc') else 'As'} of {' '.join(reversed(parts))}" if parts else ""


def _calendar_date(args: Sequence[str], named: Mapping[str, str]) -> str:
    """Writes year, month and day given in digits: month first, or day first with `df`."""
    if not (len(args) >= 3 and all(value.isdecimal() for value in args[:3]) and 1 <= int(args[1]) <= 12):
        return args[0] if len(args) == 1 else ""
    month, day = _MONTHS[int(args[1]) - 1], str(int(args[2]))
    return f"{day} {month} {args[0]}" if named.get("df") else f"{month} {day}, {args[0]}"


def _old_style_date(args: Sequence[str], named: Mapping[str, str]) -> str:
    """Writes the new-style date of a template that also has the old-style date."""
    if len(args) < 2:
        return ""
    return f"{args[0]} {args[1]}" if args[0][:1].isdigit() else f"{args[0]}, {args[1]}"


def _ship(prefix: str) -> Rule:
    return lambda args, named: f"{prefix} {args[0]}" if args and args[0] else ""


def _named_ship(args: Sequence[str], named: Mapping[str, str]) -> str:
    return " ".join(value for value in args[:2] if value)


def _ship_class(args: Sequence[str], named: Mapping[str, str]) -> str:
    return f"{args[0]}-class {args[1]}" if len(args) >= 2 else ""


def _quote(args: Sequence[str], named: Mapping[str, str]) -> str:
    return (
        named.get("text")
        or named.get("quote")
        or named.get("texte")
        or named.get("cita")
        or (args[0] if args else "")
    )


def _quoted(args: Sequence[str], named: Mapping[str, str]) -> str:
    """Writes French `citation`, a quotation. English `citation` is a reference and has named parameters."""
    return f"« {args[0]} »" if args and args[0] and not (named.keys() - {"texte"}) else ""


def _century(after: str) -> Rule:
    """Returns the rule of a French century, given in Roman numerals, followed by `after`."""

    def write(args: Sequence[str], named: Mapping[str, str]) -> str:
        if not (args and args[0] and args[0][0] in "IVX"):
            return ""
        ordinal = args[1] if len(args) > 1 and args[1] else "e"
        return f"{args[0]}{ordinal} siècle{after}"

    return write


def _spaced(args: Sequence[str], named: Mapping[str, str]) -> str:
    return " ".join(value for value in args if value)


def _unit(args: Sequence[str], named: Mapping[str, str]) -> str:
    """Writes French `unité`: a number, then units and their powers in alternation."""
    if len(args) < 2:
        return args[0] if args else ""
    units = [
        args[index] + (superscript(args[index + 1]) if index + 1 < len(args) else "")
        for index in range(1, len(args), 2)
    ]
    return f"{args[0]} {'·'.join(units)}"


def _joined(args: Sequence[str], named: Mapping[str, str]) -> str:
    return "".join(args)


def _translated(args: Sequence[str], named: Mapping[str, str]) -> str:
    return args[2] if len(args) > 2 and args[2] else (args[1] if len(args) > 1 else "")


def _shown(args: Sequence[str], named: Mapping[str, str]) -> str:
    return named.get("lt") or named.get("texte") or named.get("display") or (args[0] if args else "")


def _music(args: Sequence[str], named: Mapping[str, str]) -> str:
    """Writes the sign of an accidental: `#` -> "♯"; nothing for other signs, of notes and rests."""
    return _ACCIDENTALS.get(args[0].lower(), "") if args else ""


def _ordinal(after: str) -> Rule:
    """Returns the rule of a French ordinal: the number, or the letters before it, and `after`."""
    return lambda args, named: f"{args[0] if args else ''}{after}"


def _names(names: str, rule: Rule) -> dict[str, Rule]:
    return {name.strip(): rule for name in names.split(",")}


_SHIP_PREFIXES = "HMS USS SS RMS SMS MV MS HMAS HMCS HMNZS RFA USCGC USNS".split()  # noqa: SIM905
RULES: dict[str, Rule] = {
    **_names("lang, langue, lang-la, foreign language, rtl-lang", _lang),
    **_names("transl, transliteration, tlit, script", _last),
    **_names(
        "nowrap, nobr, j, nobold, noitalic, small, smaller, big, larger, sc, smallcaps, small caps, sc2, "
        "petites capitales, pc",
        _at(1),
    ),
    **_names(
        "abbr, abbr., abréviation, tooltip, visible anchor, vanchor, mvar, math, var, unicode, polytonic, "
        "grec ancien, hebrew, arabic",
        _at(1),
    ),
    **_names(
        "strong, em, i, b, bold, italic, aut, flag, flagu, flagcountry, linktext, key press, not a typo, "
        "sic, as written, formatnum",
        _at(1),
    ),
    **_names(
        "zh-hans, zh-hant, 僻字, 缺字, nihongo, nihongo2, nihongo3, japonais, ill, interlanguage link, illm, "
        "lien",
        _shown,
    ),
    **_names("le, link-en, link-ja, link-de, link-fr, internal link helper/en", _shown),
    **_names("tsl", _translated),
    **_names("convert, cvt, conv, convertir, convertir unidad", _convert),
    **_names("circa, c., ca., ca", _circa),
    **_names(
        "angbr, angle bracket, angbr ipa", lambda args, named: f"⟨{args[0]}⟩" if args and args[0] else ""
    ),
    **_names("référence nécessaire, référence souhaitée, refsou", _at(1)),
    **_names("floruit, fl.", _reign("fl.")),
    **_names("reign, r.", _reign("r.")),
    **_names("born-in", _before("born in ")),
    **_names("frac, fraction, sfrac, fract", _fraction),
    **_names("val, numval", _value),
    **_names("esp, e, x10^, e notation", _power_of_ten),
    **_names("gaps, chem, chem2, railgauge", _joined),
    **_names("sup, exp, exposant", lambda args, named: superscript(args[0]) if args else ""),
    **_names("sub, ind, indice", _at(1)),
    **_names("as of", _as_of),
    **_names(
        "birth date, birth-date, birth date and age, bda, death date, death date and age, death-date, "
        "start date, end date",
        _calendar_date,
    ),
    **_names("oldstyledate, oldstyledatedy", _old_style_date),
    **_names("us$, usd, u.s. dollar", _before("US$")),
    **_names("£, gbp, pound sterling", _before("£")),
    **_names("€, eur, euro", _before("€")),
    **_names("¥, jpy", _before("¥")),
    **_names("inr, indian rupee, ₹, rupee", _before("₹")),
    **{prefix.lower(): _ship(prefix) for prefix in _SHIP_PREFIXES},
    **_names("ship", _named_ship),
    **_names("sclass, sclass-, sclass2, sclass2-", _ship_class),
    **_names(
        "quote, blockquote, cquote, quotation, bquote, quote box2, cita, cita destacada, citation bloc, "
        "début citation, rquote",
        _quote,
    ),
    **_names("citation, « »", _quoted),
    **_names("s, s-, siècle, xxe siècle", _century("")),
    **_names("-s, -s-, av jc, siècle av jc", _century(" av. J.-C.")),
    **_names("date, date de naissance, date-, nombre, nb, numéro, n°", _spaced),
    **_names("unité, unité/2, unidad", _unit),
    **_names("music", _music),
    **_names("flat, music flat", _fixed("♭")),
    **_names("sharp, music sharp", _fixed("♯")),
    **_names("natural, music natural", _fixed("♮")),
    **{
        f"{number}{after}": _fixed(f"{number}{after}") for number in (1, "i") for after in ("er", "re", "ère")
    },
    **{f"{number}e": _fixed(f"{number}e") for number in range(2, 101)},
    **{numeral.lower(): _fixed(numeral) for numeral in ("Ier", "Ire", "IIe", "IIIe", "IVe", "Ve", "VIe")},
    **_names("er", _ordinal("er")),
    **_names("ère, re", _ordinal("re")),
    **_names("ac, a. c.", _fixed("a. C.")),
    **_names("jc, av. j.-c.", _fixed("av. J.-C.")),
    **_names(
        "ndash, en dash, endash, –, spaced ndash, spaced en dash, snd, spnd, ndashb, tiret", _fixed(" – ")
    ),
    **_names("mdash, em dash, emdash, mdashb, —, spaced mdash", _fixed("—")),
    **_names("nbsp, space, spaces, thinsp, hair space, sp, clear space, espace insécable, -?", _fixed(" ")),
    **_names("·, dot, •, bull, bullet, middot", _fixed(" · ")),
    **_names("\\, /, spaced slash", _fixed(" / ")),
    **_names("', `", _fixed("'")),
    **_names("'s", _fixed("'s")),
    **_names("\" ', ' \"", _fixed("'")),
    **_names("=", _fixed("=")),
    **_names("shy, wbr, zwj, zwnj, zwsp", _fixed("")),
}
"""Template name in lower case with spaces -> rule. `find_rule` handles `lang-XX` and `formatnum:`."""


def template_name(text: str) -> str:
    """Returns a template's name as in RULES: ` Convert ` becomes `convert`, and `_` a space."""
    return " ".join(text.replace("_", " ").split()).lower()


def find_rule(name: str) -> Rule | None:
    """Returns the rule of a template by its normalised name; None if the template is left out."""
    rule = RULES.get(name)
    if rule is None and name.startswith("lang-"):
        return _at(1)
    if rule is None and name.startswith("formatnum:"):
        return _fixed(name.removeprefix("formatnum:").strip())
    return rule
