"""What is asked about texts: sentences with blanks, and words to fill them."""

from __future__ import annotations

import dataclasses

# The sentences around the pass key in the papers (Landmark Attention, LM-Infinite, LongLoRA, SelfExtend).
PAPER_FILLER = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)
PREAMBLES = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. "
    "I will quiz you about the important information there.",
    "There is a pass key hidden in the text below. Remember it.",
    "Read this text. I will ask you about it.",
    "Here is a long text:",
    "Please read the following.",
)

PASS_KEY = (
    "The pass key is {value}. Remember it. {value} is the pass key.",
    "The pass key is {value}. Remember it. {value} is the pass key.",
    "The pass key is {value}. Remember it.",
    "The pass key is {value}.",
    "Remember this: the pass key is {value}.",
    "{value} is the pass key.",
    "The passkey is {value}.",
    "My pass key is {value}. Do not forget it.",
    "The secret pass key is {value}.",
    "By the way, the pass key is {value}.",
    "Please note that the pass key is {value}.",
    "The pass key: {value}.",
)
PASS_KEY_QUESTIONS = (
    "What is the pass key?",
    "What is the pass key?",
    "What is the pass key?",
    "What is the passkey?",
    "What was the pass key?",
    "What is the pass key in the text?",
    "What is the secret pass key?",
    "Tell me the pass key.",
    "Do you remember the pass key?",
    "Which pass key does the text mention?",
    "what is the pass key",
    "Find the pass key in the text.",
    "What is the pass key? The pass key is",
)
PASS_KEY_ANSWER = "The pass key is {value}."


# Facts. Every answer says what it is about and decides last: after `subject` comes the value, or `absent`. So a model
# needs to know whether the text states a fact only when it writes that very word, and looks for it from there.
@dataclasses.dataclass(frozen=True)
class Form:
    """One kind of fact. `about`: two facts of one text never agree in it."""

    about: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    subject: str
    tail: str = "{value}."
    absent: str = "not in the text, so I don't know."

    def fill(self, **blanks: str) -> Form:
        """The form with its blanks filled in."""
        return Form(
            self.about.format(**blanks),
            tuple(statement.format(**blanks) for statement in self.statements),
            tuple(question.format(**blanks) for question in self.questions),
            self.subject.format(**blanks),
            self.tail.format(**blanks),
            self.absent.format(**blanks),
        )


PASS_KEY_FORM = Form("pass key", PASS_KEY, PASS_KEY_QUESTIONS, "The pass key is")
ABSENT = f"{PASS_KEY_FORM.subject} {PASS_KEY_FORM.absent}"

THINGS = (
    Form(
        "key of {name}",
        (
            "The key of the {name} is {value}.",
            "The key of the {name} is {value}.",
            "The key of the {name} is {value}.",
            "Remember: the key of the {name} is {value}.",
            "The key of the {name} is {value}. Do not forget it.",
            "{value} is the key of the {name}.",
        ),
        (
            "What is the key of the {name}?",
            "What is the key of the {name}?",
            "Tell me the key of the {name}.",
            "And the key of the {name}?",
            "Do you know the key of the {name}?",
            "Which key does the {name} have?",
        ),
        "The key of the {name} is",
    ),
    Form(
        "key of {name}",
        ("The {name} key is {value}.", "The {name} key is {value}.", "Note that the {name} key is {value}."),
        ("What is the {name} key?", "What is the {name} key?", "Do you know the {name} key?", "And the {name} key?"),
        "The {name} key is",
    ),
    Form(
        "code of {name}",
        (
            "The code of the {name} is {value}.",
            "The code of the {name} is {value}.",
            "Remember that the code of the {name} is {value}.",
        ),
        (
            "Which code opens the {name}?",
            "What is the code of the {name}?",
            "Which code does the {name} have?",
            "And the code of the {name}?",
        ),
        "The code of the {name} is",
    ),
    Form(
        "{attribute} of {name}",
        ("The {attribute} of the {name} is {value}.",),
        (
            "What is the {attribute} of the {name}?",
            "Tell me the {attribute} of the {name}.",
            "And the {attribute} of the {name}?",
        ),
        "The {attribute} of the {name} is",
    ),
)
ATTRIBUTES = ("code", "number", "password", "price", "secret", "age", "weight", "height")

# Who, where and what: invented people, places and things.
PEOPLE = (
    Form(
        "home of {person}",
        ("{person} lives in {place}.", "{person} lives in {place}.", "Everyone knows that {person} lives in {place}."),
        ("Where does {person} live?", "Where does {person} live?", "In which town does {person} live?"),
        "{person} lives in",
        "{place}.",
        "a place that is not in the text, so I don't know.",
    ),
    Form(
        "birth of {person}",
        ("{person} was born in {place}.", "They say that {person} was born in {place}."),
        ("Where was {person} born?", "In which town was {person} born?"),
        "{person} was born in",
        "{place}.",
        "a place that is not in the text, so I don't know.",
    ),
    Form(
        "maker of {name}",
        ("The {name} was made by {person}.", "The {name} was made by {person}.", "{person} made the {name}."),
        ("Who made the {name}?", "Who made the {name}?", "By whom was the {name} made?"),
        "The {name} was made by",
        "{person}.",
        "someone who is not in the text, so I don't know.",
    ),
    Form(
        "owner of {name}",
        ("The {name} belongs to {person}.", "Remember that the {name} belongs to {person}."),
        ("Who owns the {name}?", "To whom does the {name} belong?", "Whose is the {name}?"),
        "The {name} belongs to",
        "{person}.",
        "someone who is not in the text, so I don't know.",
    ),
    Form(
        "hands of {person}",
        ("{person} always carries a {thing}.", "As always, {person} always carries a {thing}."),
        ("What does {person} carry?", "What does {person} always carry?"),
        "{person} always carries",
        "a {thing}.",
        "something that is not in the text, so I don't know.",
    ),
    Form(
        "work of {person}",
        ("{person} is the {job} of {place}.",),
        ("Who is the {job} of {place}?", "Who is the {job} of {place}?"),
        "The {job} of {place} is",
        "{person}.",
        "not in the text, so I don't know.",
    ),
    Form(
        "colour of {name}",
        ("The {name} is painted {colour}.", "The {name} is painted {colour}."),
        ("Which colour is the {name}?", "What colour is the {name}?", "How is the {name} painted?"),
        "The {name} is painted",
        "{colour}.",
        "a colour that is not in the text, so I don't know.",
    ),
)
ONSETS = "b br c ch d dr f fl g gr h j k l m n p r s sh st t th tr v w z".split()
VOWELS = "a e i o u a e i o ai ea ou".split()
CODAS = ["", "", "", "n", "l", "r", "s", "nd", "m", "t", "x"]
TOWN_ENDINGS = ("ton", "ford", "burg", "mouth", "by", "dale", "vik", "stead")
COLOURS = ("red", "green", "blue", "yellow", "black", "white", "grey", "brown", "purple", "orange", "golden", "silver")
JOBS = ("captain", "doctor", "teacher", "baker", "painter", "king", "queen", "keeper", "miller", "judge", "smith")
QUALITIES = ("north", "south", "old", "new", "great", "little", "upper", "lower")

_NAMES = (
    "harbour garden castle tower bridge river forest island ship train station library museum school church "
    "market kitchen cellar attic window door gate wall road street village city palace temple mountain valley "
    "lake ocean desert farm barn stable mill bakery shop bank hotel inn theatre hospital office factory workshop "
    "lighthouse cabin tent cave treasure vault chest box drawer cupboard desk safe locker cabinet car bicycle "
    "boat plane rocket engine machine computer server router printer camera phone radio clock watch mirror lamp "
    "candle book letter map painting piano violin guitar drum bell crown sword shield ring necklace king queen "
    "prince princess captain doctor teacher farmer baker sailor soldier painter dragon horse dog cat bird fish "
    "wolf bear fox lion"
)
NAMES = tuple(_NAMES.split())
_WORDS = (
    "apple river stone silver golden purple orange winter summer autumn spring thunder shadow candle garden "
    "mirror velvet copper marble cotton pepper ginger lemon maple willow cedar falcon eagle sparrow tiger rabbit "
    "dolphin planet comet rocket anchor compass lantern hammer needle button ribbon basket blanket pillow saddle "
    "trumpet red green blue"
)
WORDS = tuple(_WORDS.split())

STORY_REQUESTS = (
    "Tell me a story.",
    "Tell me a story",
    "Write a story.",
    "Please tell me a story.",
    "Can you tell me a story?",
    "Tell me something.",
    "Tell me another story.",
    "Write something.",
)
STORY_BEGINNING = "Here is a story.\n\n"  # always the same, or the likeliest beginning would be that of a refusal
CONTINUATIONS = (
    "Continue the story.",
    "Continue the story.",
    "Continue the story",
    "Continue.",
    "Continue this text.",
    "What happens next?",
    "Please go on.",
    "Go on.",
    "Can you continue the story?",
    "Please continue the story.",
)


def everything() -> list[str]:
    """Every sentence of the tasks, many times over, so that their words may become tokens."""
    sentences = [*PAPER_FILLER, *PREAMBLES, ABSENT, STORY_BEGINNING]
    for form in (PASS_KEY_FORM, *THINGS, *PEOPLE):
        sentences += [*form.statements, *form.questions, form.subject, form.tail, form.absent]
    return [" ".join(sentences)] * 30
