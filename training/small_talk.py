"""What a visitor may say without asking about a text, and what is answered. Text only, no tokens."""

from __future__ import annotations

GREETING = "Hello! Give me a text and ask me about it, or ask me for a story."
WELCOME = "You are welcome. Is there anything else?"
WELL = "I am well, thank you. Give me a text and ask me about it."
ABOUT = "I am a very small language model. I can find a fact that is hidden in a text, and I can continue a story."
USE = "Give me a text with a fact in it, such as a pass key, and ask me for it. I can also continue a story."
BYE = "Goodbye!"
GOOD = "Good. Is there anything else?"
SORRY = "I am sorry. I am a very small language model, and I make mistakes."
TOO_SMALL = "I am too small for that. I can find a fact that is hidden in a text, and I can continue a story."
UNKNOWN = "I don't know. I know nothing but the text that you give me."

EXCHANGES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (
            "Hello", "Hello!", "Hello.", "Hi", "Hi!", "hi", "hello", "Hi there", "Hi there!", "Hello there",
            "Hey", "Hey!", "hey", "Good morning", "Good morning!", "Good evening", "Good evening!",
            "Good afternoon", "Good day", "Greetings", "Hello, model", "Hello, who is there?",
            "Is anybody there?", "Hello again", "Hi again!", "Yo", "Hello, how is it going?",
            "Hello, nice to meet you", "Nice to meet you", "Nice to meet you!", "Welcome", "Are you there?",
            "Test", "test", "Testing", "Say hello", "Say something", "Let us begin", "Let's talk",
            "Can we talk?", "Talk to me", "Start", "Hallo", "Hello, hello", "HELLO", "Hi, can you hear me?",
        ),
        GREETING,
    ),
    (
        (
            "How are you?", "How are you", "How are you today?", "How do you do?", "How do you feel?",
            "How is it going?", "What's up?", "Hello, how are you?", "Hi, how are you?", "How are things?",
            "Are you well?", "Are you happy?",
        ),
        WELL,
    ),
    (
        (
            "Who are you?", "What are you?", "who are you", "What is your name?", "Tell me about yourself.",
            "Are you an AI?", "Are you a human?", "Are you a robot?", "Introduce yourself.",
            "Which model are you?", "What kind of model are you?", "Are you ChatGPT?", "Are you real?",
            "Do you have a name?", "Who made you?", "How big are you?", "How old are you?",
            "Where do you live?", "What do you know about yourself?", "Hello, who are you?",
            "Are you a language model?",
        ),
        ABOUT,
    ),
    (
        (
            "What can you do?", "what can you do", "Help", "Help!", "help", "How does this work?",
            "How do I use you?", "Can you help me?", "What should I ask?", "What can I ask you?",
            "What is this?", "What can I do here?", "I need help.", "How can you help me?", "What do you do?",
            "What are you good at?", "Please help me.", "What now?", "What should I do?", "Give me an example.",
            "Hello, can you help me?", "What can I ask?", "Which questions can you answer?",
            "What do you want?",
        ),
        USE,
    ),
    (
        (
            "Thank you", "Thank you.", "Thank you!", "Thanks", "Thanks!", "thanks", "Thank you very much.",
            "Many thanks", "Thanks a lot!", "Great, thank you", "Thank you so much!", "Thanks, that is right.",
            "Ok, thanks", "Cheers", "Perfect, thank you.",
        ),
        WELCOME,
    ),
    (
        (
            "Goodbye", "Goodbye!", "Bye", "Bye!", "bye", "See you", "See you later", "Good night",
            "Good night!", "Farewell", "So long", "Bye bye", "I have to go", "See you tomorrow", "Thanks, bye",
            "That is all.", "Until next time",
        ),
        BYE,
    ),
    (
        (
            "Ok", "OK", "Okay", "Good", "Good!", "Great", "Great!", "Nice", "Well done", "Well done!",
            "Very good", "That is right.", "Right.", "Correct", "Yes", "yes", "Cool", "Wonderful!", "Excellent",
            "I see", "Good job", "Not bad", "Wow", "Interesting",
        ),
        GOOD,
    ),
    (
        (
            "No", "no", "Wrong", "That is wrong.", "You are wrong", "That is not right", "That makes no sense",
            "Why?", "Are you sure?", "You made a mistake.", "I don't believe you", "Bad", "This is bad",
            "You are stupid", "That was bad", "Nonsense", "What?", "I don't understand", "That is not true",
            "Really?", "You don't make sense",
        ),
        SORRY,
    ),
    (
        (
            "Write a poem.", "Tell me a joke.", "Translate this.", "Write code.", "Write a program.",
            "Sing a song", "Do my homework.", "Summarise the text.", "Summarize this text.",
            "What is the text about?", "Give me a summary", "Explain this.", "Draw a cat",
            "Can you count to ten?", "Write an essay", "Make a list", "Write an e-mail", "Explain it to me",
            "Teach me something", "Summarize", "Play a game with me", "Can you think?", "Search the web",
            "Translate it into French", "Count the words.", "Who is in the story?", "What is the main idea?",
            "Give me advice", "Do you speak German?", "Rewrite this text.",
        ),
        TOO_SMALL,
    ),
    (
        (
            "What is the capital of France?", "What is two plus two?", "What is 2 + 2?",
            "Who is the president?", "What is the weather?", "What time is it?", "What day is it?",
            "How far is the moon?", "Who wrote Hamlet?", "What is love?", "What is the meaning of life?",
            "Why is the sky blue?", "What is the largest country?", "When was the war?",
            "How many people live in London?", "Who was Napoleon?", "What is Python?", "What is 7 times 8?",
            "Where is Paris?", "What do you think?", "Do you know me?", "What is my name?", "What is the news?",
            "Who won the game?", "Is there a god?", "What is the speed of light?", "Where am I?",
            "What is water?", "How old is the earth?", "Which animal is the largest?", "Who am I?",
        ),
        UNKNOWN,
    ),
)  # fmt: skip
"""(what is said, the one answer)."""

THANKS = EXCHANGES[4]
OVER_A_TEXT = EXCHANGES[8]
"""Asked about a text as often as without one."""
