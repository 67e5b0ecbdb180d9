"""What the tasks say: sentences with blanks, and words to fill them."""

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

# Facts about a named thing. Each form is (statements, questions, answer).
NAMED = (
    (
        (
            "The key of the {name} is {value}.",
            "The key of the {name} is {value}.",
            "Remember: the key of the {name} is {value}.",
            "{value} is the key of the {name}.",
        ),
        ("What is the key of the {name}?", "What is the key of the {name}?", "Tell me the key of the {name}."),
        "The key of the {name} is {value}.",
    ),
    (
        ("The {name} key is {value}.", "The {name} key is {value}.", "{value} is the {name} key."),
        ("What is the {name} key?", "What is the {name} key?", "Do you know the {name} key?"),
        "The {name} key is {value}.",
    ),
    (
        ("The {attribute} of the {name} is {value}.",),
        ("What is the {attribute} of the {name}?", "Tell me the {attribute} of the {name}."),
        "The {attribute} of the {name} is {value}.",
    ),
)
ATTRIBUTES = ("code", "number", "password", "price", "name", "secret", "colour", "age")
ABSENT = "I don't know. The text does not say."

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

# Short exchanges without a text.
SMALL_TALK = (
    ("Hello", "Hello! How can I help you?"),
    ("Hello!", "Hello! How can I help you?"),
    ("Hi", "Hello! How can I help you?"),
    ("Hi there", "Hello! How can I help you?"),
    ("Good morning", "Good morning! How can I help you?"),
    ("How are you?", "I am well, thank you. How can I help you?"),
    ("Who are you?", "I am a very small language model."),
    ("What are you?", "I am a very small language model."),
    ("What can you do?", "I can find a key that is hidden in a text, and I can continue a story."),
    ("Help", "Paste a text with a key in it and ask me for the key."),
    ("Thank you", "You are welcome."),
    ("Thanks!", "You are welcome."),
    ("Goodbye", "Goodbye!"),
)
STORY_REQUESTS = ("Tell me a story.", "Tell me a story", "Write a story.", "Please tell me a story.")
CONTINUATIONS = ("Continue the story.", "Continue.", "Continue this text.", "What happens next?", "Please go on.")


def everything() -> list[str]:
    """Every sentence of the tasks often enough for their words to become tokens."""
    sentences = [
        *PAPER_FILLER,
        *PREAMBLES,
        *PASS_KEY,
        *PASS_KEY_QUESTIONS,
        ABSENT,
    ]
    sentences += [text for statements, questions, answer in NAMED for text in (*statements, *questions, answer)]
    sentences += [text for exchange in SMALL_TALK for text in exchange]
    return [" ".join(sentences)] * 30
