"""What somebody wanted, once what was asked for has been added. Pure."""

import re
from collections.abc import Callable, Iterator
from itertools import chain

from chat.phrases import guard
from chat.phrases.understood import Intent, Understood

MOST_WORDS = 30
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_UNKNOWN = re.compile(r"I did not understand “([^”]+)”\. Did you mean")
_AMBIGUOUS = "Which one do you mean:"


def added(before: str, question: str, answer: str, read: Callable[[str], Understood]) -> Understood:
    """What `before` is with the `answer` to the `question` that it was met with.

    The answer is put at the end, or wherever else it makes a rule; or in the place of the number
    that it says again, of the name that was asked about. Nothing else that was said is left out.
    Where it makes no rule, or more than one, it is read by itself.
    """
    start, said = before.rstrip(" .?!"), answer.strip(" .!")
    rule = read(f"{start} {answer}")
    if rule.intent is Intent.CREATE:
        return rule
    alone = read(answer)
    words = start.split()
    if len(words) > MOST_WORDS or not said or guard.negation(f"{before} {answer}"):
        return alone
    for texts in (_inserted(words, said), _instead(words, said, question)):
        rules: list[Understood] = []
        for text in texts:
            found = read(text)
            if found.intent is Intent.CREATE and found.action not in [one.action for one in rules]:
                rules.append(found)
        if rules:
            return rules[0] if len(rules) == 1 else alone
    return alone


def _inserted(words: list[str], said: str) -> Iterator[str]:
    for at in range(len(words)):
        yield " ".join([*words[:at], said, *words[at:]])


def _instead(words: list[str], said: str, question: str) -> Iterator[str]:
    """With the answer in the place of a word, or two, that it says anew."""
    for length in (1, 2):
        for at in range(len(words) - length + 1):
            if _is_said_anew(words[at : at + length], said, question):
                yield " ".join(chain(words[:at], [said], words[at + length :]))


def _is_said_anew(replaced: list[str], said: str, question: str) -> bool:
    if (unknown := _UNKNOWN.match(question)) and said.upper() in question:
        return " ".join(replaced) == unknown[1]
    if question.startswith(_AMBIGUOUS) and said.upper() in question:
        return True
    return (number := _NUMBER.search(replaced[-1])) is not None and number[0] in said
