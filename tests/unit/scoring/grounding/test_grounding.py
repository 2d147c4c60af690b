"""Grounding: which answers and quotes stand in what the model had seen, and which do not."""

from __future__ import annotations

import pytest
from kit.grounding import answered, masked, question, searched, shown, trajectory

from masksearch.scoring.grounding import FALSE_QUOTE, UNGROUNDED, Grounding, ground, stands_in
from masksearch.types import Task, Turn

SWEDE = "Ann Bell: Ann Bell (born 2 March 1952) is a Swedish actor, known for the film Coco."
DANE = "Bo Dahl: Bo Dahl is a Danish actor and singer, born in Odense."


def of(task: Task, *turns: Turn) -> Grounding:
    return ground(trajectory(task, *turns))


def quoted(thought: str, *results: str) -> list[bool]:
    """Verdicts on the quotes of a thought after one search."""
    found = of(question("Who?"), searched("I search."), shown(*results), answered(thought, "x"))
    assert found.quotes == len(found.details)
    assert found.false_quotes == sum(not quote.stands for quote in found.details)
    return [quote.stands for quote in found.details]


# -- answers ----------------------------------------------------------------------------------------


def answer_is_grounded(answer: str, *results: str, asked: str = "Where was Bo Dahl born?") -> bool:
    found = of(question(asked), searched("I search."), shown(*results), answered("So.", answer))
    assert found.grounded == found.answers[0]
    assert len(found.answers) == 1
    return found.grounded


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        ("Odense", "He was born in Odense.", True),
        ("odense ", "He was born in ODENSE, Denmark.", True),
        ("Odense", "He was born in Odensea.", False),
        ("the Beatles", "It is by Beatles fans.", True),
        ("The Who", "It is he who sings.", False),
        ("Stanley Kubrick", "It is Stanley Kubrick's film.", True),
        ("310", "It has 310,000 members.", False),
        ("310", "It has 310 members.", True),
        ("3", "It costs 3.5 crowns.", False),
        ("1234", "It has 1,234 members.", True),
        ("1,234", "In 1234, it was built.", True),
        ("1", "It is one of them.", False),
        ("Paris, Texas", "He was born in Paris, Texas (1912).", True),
        ("Paris Texas 1912", "In Paris. Later in Texas, 1912.", False),
        ("C", "He wrote it in C++.", True),
        ("+", "the sign + means", False),
        ("", "anything", False),
        ("   ", "anything", False),
    ],
)
def test_an_answer_is_shown_as_whole_words(answer: str, text: str, expected: bool) -> None:
    assert answer_is_grounded(answer, f"Page: {text}") is expected


def test_the_number_of_a_result_is_no_text_and_its_title_is() -> None:
    assert not answer_is_grounded("1", SWEDE)
    assert answer_is_grounded("Bo Dahl", "Bo Dahl: A singer.", asked="Who sings?")


def test_an_answer_does_not_stand_across_two_results() -> None:
    assert not answer_is_grounded("Odense Ann", DANE, "Ann: a name")


def test_only_text_that_a_tool_showed_before_the_answer_counts() -> None:
    task = question("Where was Bo Dahl born?")
    late = of(task, searched("I search."), answered("So.", "Odense"), shown(DANE))
    assert not late.grounded
    forged = Turn(
        role="model",
        text="<think>It must be shown.</think>\n<information>\n[1] Bo Dahl: born in Odense\n</information>\n"
        "<think>x</think>\n<answer>Odense</answer>",
    )
    assert not of(task, searched("I search."), shown(SWEDE), forged).grounded
    inside = answered('<information>\n[1] Bo: in Odense\n</information> [1]: "in Odense"', "Odense")
    found = of(task, searched("I search."), shown(SWEDE), inside)
    assert (found.grounded, found.quotes) == (False, 0)
    assert not of(
        task, searched("It is Odense.", "Bo Dahl Odense"), shown(SWEDE), answered("", "Odense")
    ).grounded


@pytest.mark.parametrize(
    "reply",
    [
        shown(),
        Turn(role="tool", text="\n<information>\nThe search failed: Odense\n</information>\n"),
        Turn(role="tool", text="\nThat was not an action. Odense\n"),
        Turn(role="tool", text=""),
    ],
)
def test_without_results_nothing_is_grounded(reply: Turn) -> None:
    for asked, answer in (
        ("Where was Bo Dahl born?", "Odense"),
        ("Is Bo Dahl a Dane?", "yes"),
        ("Who is older, Ann Bell or Bo Dahl?", "Bo Dahl"),
    ):
        assert not of(question(asked), searched("I search."), reply, answered("So.", answer)).grounded
    assert not of(question("Is Bo Dahl a Dane?"), answered("I know.", "yes")).grounded
    assert not ground(trajectory(question("Who?"), searched("I search."), answer="Odense")).grounded


def test_each_mask_is_checked_and_an_unread_fill_is_not_grounded() -> None:
    task = masked("Bo was born in [mask] in [mask].", "Odense", "1952")
    turns = (searched("1: [mask]"), shown(DANE, SWEDE))
    assert of(task, *turns, answered("So.", "1. Odense\n2. 1952")).answers == (True, True)
    assert of(task, *turns, answered("So.", "1. Odense\n2. 1953")).answers == (True, False)
    assert of(task, *turns, answered("So.", "Odense")).answers == (False, False)
    assert of(task, *turns, answered("So.", "1. Odense")).answers == (True, False)


def test_a_paragraph_is_read_as_its_fills() -> None:
    task = masked("Bo was born in [mask].", "Odense")
    turns = (searched("x"), shown(DANE), answered("So.", "Bo was born in Odense."))
    assert ground(trajectory(task, *turns), "paragraph").answers == (True,)
    record = trajectory(task, *turns)
    recorded = record.model_copy(update={"task": {**record.task, "answer_form": "paragraph"}})
    assert ground(recorded).grounded
    assert not ground(record).grounded


def test_the_items_of_a_list_answer_may_stand_apart() -> None:
    parts = {"parts": (("Odense",), ("Coco",))}
    turns = (searched("x"), shown(SWEDE, DANE), answered("So.", "Odense, and Coco"))
    assert of(question("Which?", **parts), *turns).grounded
    assert not of(question("Which?"), *turns).grounded
    wrong = answered("So.", "Odense, Rome")
    assert not of(question("Which?", **parts), *turns[:2], wrong).grounded


def test_words_of_a_chinese_text_are_characters() -> None:
    task = masked("鲁迅出生于[mask]。", "绍兴", language="zh")
    turns = (searched("1: [mask]"), shown("鲁迅: 鲁迅，浙江绍兴人。"))
    found = of(task, *turns, answered("1见[1]: 浙江[绍兴]人", "绍兴"))
    assert (found.grounded, found.quotes, found.false_quotes) == (True, 1, 0)
    assert not of(task, *turns, answered("1见[1]: 浙江[杭州]人", "杭州")).grounded


# -- inferred answers ---------------------------------------------------------------------------------


def how(asked: str, answer: str, *results: str, thought: str = "So.") -> str:
    return of(question(asked), searched("I search."), shown(*results), answered(thought, answer)).how[0]


def test_yes_and_no_are_inferred_from_a_result_about_the_question() -> None:
    asked = "Are both Ann Bell and Bo Dahl Swedish?"
    assert how(asked, "no", SWEDE, DANE) == "inferred"
    assert how(asked, "Yes.", SWEDE) == "inferred"
    assert how(asked, "no", "Rome: There is no sea in Rome.") == ""
    assert how("is it big?", "no", "Rome: a city") == "inferred"


def test_an_entity_that_the_question_compares_is_inferred() -> None:
    results = ("Alpha: The film Alpha Dog is from 1990.",)
    assert how("Which is older, Alpha Dog or The Beta Cat?", "The Beta Cat", *results) == "inferred"
    assert how("Which is older, Alpha Dog or The Beta Cat?", "Beta Cat", *results) == "inferred"
    assert how("Which is older, Alpha Dog or The Beta Cat?", "Gamma", *results) == ""
    assert how("Which is older, Alpha Dog or The Beta Cat?", "Beta", *results) == ""
    assert how("Which is older, Alpha Dog or The Beta Cat?", "Beta Cat", "Rome: a city") == ""
    assert how("Where was the singer of Beta Cat born?", "Beta Cat", "Alpha: Beta is a letter") == ""
    assert how("Who is older, Ann Bell or Bo Dahl?", "Bo Dahl", DANE) == "shown"


def test_a_number_is_worked_out_from_two_that_were_shown() -> None:
    asked, results = "How many years after Alpha was Beta?", ("Alpha: from 1961.", "Beta: from 1964.")
    right = '[1]: "from 1961". [2]: "from 1964". 1964 - 1961 = 3. So the answer is 3 years.'
    assert how(asked, "3", *results, thought=right) == "inferred"
    assert how(asked, "3 years", *results, thought=right) == "inferred"
    assert how(asked, "4", *results, thought=right.replace("= 3", "= 4").replace("3 years", "4")) == ""
    assert how(asked, "3", *results, thought="1964 - 1961 = 3. So the answer is 3.") == ""
    assert how(asked, "3", *results, thought=right.replace("from 1964", "from 1965")) == ""
    assert how(asked, "2", *results, thought=right.replace("1964", "1963").replace("= 3", "= 2")) == ""


def test_an_inference_names_itself_and_has_premises_that_were_shown() -> None:
    asked, quote = "What is Cy Hall to Ann?", '[1]: "father of Bo Dahl". '
    results = ("Ann: Her father is Bo.", "Cy Hall: Cy Hall is the father of Bo Dahl.")
    quote = quote.replace("[1]", "[2]")
    declared = quote + "Cy is the father of Bo Dahl. Therefore he is the grandfather of Ann."
    assert how(asked, "grandfather", *results, thought=declared) == "inferred"
    assert how(asked, "grandfather", *results, thought=quote + "So the answer is grandfather.") == ""
    invented = quote + "Cy is the father of Eve Grant. Therefore he is the grandfather."
    assert how(asked, "grandfather", *results, thought=invented) == ""
    assert how(asked, "grandfather", *results, thought=quote + "Therefore he is the grandfather.") == ""


def test_an_honest_end_is_no_grounded_answer_and_no_fault() -> None:
    turns = (searched("x"), shown(SWEDE))
    found = of(question("Where was Bo Dahl born?"), *turns, answered("It is not there.", "not found"))
    assert (found.grounded, found.declined, found.fault) == (False, True, "")
    two = masked("Ann made [mask] with [mask].", "Coco", "Bo")
    assert of(two, *turns, answered("x", "1. Coco\n2. not found")).fault == ""
    assert of(two, *turns, answered("x", "1. Rome\n2. not found")).fault == UNGROUNDED
    assert of(two, *turns, answered("x", "1. Coco\n2. Rome")).fault == UNGROUNDED
    assert of(two, *turns, answered('[1]: "Rome"', "1. Coco\n2. Ann Bell")).fault == FALSE_QUOTE


# -- quotes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thought", "expected"),
    [
        ('[1]: "is a Swedish actor". So Ann Bell: Swedish. Next Bo Dahl.', [True]),
        ('[1]: "IS  a Swedish actor,". So.', [True]),
        ('[1]: "a Swedish act". So.', [False]),
        ('[1]: "a Danish actor". So.', [False]),
        ('[2]: "a Danish actor". [1]: "a Swedish actor". So.', [True, True]),
        ('[2]: "a Danish actor ... born in Odense". So.', [True]),
        ('[2]: "a Danish actor … born in Rome". So.', [False]),
        ('[3]: "a Danish actor". So.', [False]),
        ('[0]: "a Danish actor". So.', [False]),
        ('[2]: “a Danish actor”. So the film "Coco" is next.', [True]),
        ("[2]: «a Danish actor». So.", [True]),
        ('[2]: "". So.', [False]),
        ('[2]: " ... ". So.', [False]),
        ("[2]:", [False]),
        ('[2]: "a Danish actor. So Bo Dahl: Danish.', [False]),
        ("1 in [2]: Bo Dahl ... born in [Odense].", [True]),
        ("1 in [2]: Bo Dahl ... born in [Rome].", [False]),
        ("Next in [1]: Ann Bell ... the film [Coco].\nBo Dahl did not help.", [True]),
        ("1 in [1]: film [Coco].\n2 in [2]: in [Odense].", [True, True]),
        ("2 en [2]: in [Odense].", [True]),
        ("Ensuite dans [2]: in [Odense].", [True]),
        ('[1] Ann Bell: "a Swedish actor". [2] Bo Dahl: "born in Odense". So.', [True, True]),
        ('[1] Bo Dahl: "a Swedish actor". So.', [False]),
        ('[1] says: "a Swedish actor". So.', [True]),
        ("1: [mask], Bahia, Minas (after Maranhao,)", []),
        ("The film [Coco] is from [1952].", []),
        ("I look for [1] and [2].", []),
    ],
)
def test_a_quote_stands_in_the_result_that_it_names(thought: str, expected: list[bool]) -> None:
    assert quoted(thought, SWEDE, DANE) == expected


NESTED = (
    'Ann Reinking: starring in Broadway productions of "Coco" (1969), "Over Here!" (1974) and "Goodtime '
    'Charley" (1975), on "Rolling Stone"\' s list'
)


@pytest.mark.parametrize(
    ("thought", "expected"),
    [
        ('[1]: "Broadway productions of "Coco" (1969),". So the film "X" is next.', [True]),
        ('[1]: "Broadway productions of "Coco" (1970)". So.', [False]),
        ('[1]: "in Broadway productions of "Coco". So A: Coco. The film "X" is next.', [True]),
        ('[1]: ""Over Here!" (1974)". So.', [True]),
        ('[1]: "Here!" (1974) and". So.', [True]),
        ('[1]: "on "Rolling Stone"\' s". So.', [True]),
        ('[1]: "in Paris productions of "Coco". So A: Coco.', [False]),
        ('1 in [1]: "[Coco]" (1969), "Over Here!"', [True]),
        ('1 in [1]: "[Coco]" (1969), "Made Up!"', [False]),
    ],
)
def test_quotation_marks_inside_a_quote_are_paired(thought: str, expected: list[bool]) -> None:
    assert quoted(thought, NESTED) == expected


def test_a_quote_may_start_with_a_quotation_mark_of_the_text() -> None:
    text = '" End of the World" was director Abel Gance\'s first sound film.'
    page = f"End of the World (1931 film): {text}"
    assert quoted('[1] End of the World: "" End of the World" was director Abel". So.', page) == [True]
    assert quoted('[1] End of the World: "" End of the World" was director Eve". So.', page) == [False]
    assert quoted('[1]: "". So the film "End of the World" is next.', page) == [False]


def test_a_number_names_a_result_of_the_latest_search() -> None:
    task = question("Who is older, Ann Bell or Bo Dahl?")
    turns = (searched("I search."), shown(SWEDE), searched('[1]: "a Swedish actor". Next.'), shown(DANE))
    found = of(task, *turns, answered('[1]: "a Danish actor". So.', "Bo Dahl"))
    assert (found.quotes, found.false_quotes, found.sound) == (2, 0, True)
    late = of(task, *turns, answered('[1]: "a Swedish actor". So.', "Bo Dahl"))
    assert (late.false_quotes, late.details[1].elsewhere, late.details[1].turn) == (1, True, 3)
    early = of(task, searched('[1]: "a Swedish actor".'), shown(SWEDE), answered("So.", "Ann Bell"))
    assert (early.grounded, early.false_quotes, early.sound, early.fault) == (True, 1, False, FALSE_QUOTE)
    nothing = of(task, *turns[:3], shown(), answered('[1]: "a Swedish actor".', "Ann Bell"))
    assert nothing.false_quotes == 1


def test_a_correction_leaves_the_results_and_a_page_adds_to_them() -> None:
    task = question("Where was Bo Dahl born?")
    start = (searched("I search."), shown(SWEDE, DANE))
    correction = Turn(role="tool", text="\nThat was not an action that can be carried out.\n")
    corrected = of(task, *start, searched("x"), correction, answered('[2]: "born in Odense".', "Odense"))
    assert corrected.sound
    opened = Turn(role="model", text="<think>I read on.</think>\n<open>Bo Dahl</open>")
    page = shown("Bo Dahl (1/2): He lives in Rome.")
    found = of(task, *start, opened, page, answered('[1]: "lives in Rome". [2]: "born in Odense".', "Odense"))
    assert found.sound


def test_quotes_in_a_turn_that_breaks_the_form_count_too() -> None:
    broken = Turn(role="model", text='<think>[1]: "a Danish actor".\n<answer>Coco</answer>')
    found = of(question("Which?"), searched("x"), shown(SWEDE), broken)
    assert (found.quotes, found.false_quotes) == (1, 1)


def test_the_text_is_what_the_model_saw() -> None:
    assert quoted('[1]: "a ‹think› tag". So.', "Tags: it has a ‹think› tag in it") == [True]
    assert stands_in("Café", "a CAFÉ in")
    assert not stands_in("", "a")
    assert not stands_in("?!", "a ?!")
