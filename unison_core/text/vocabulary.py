"""The phoneme vocabulary: English IPA with stress folded into the vowel, punctuation and the space between words.

Every token is one sound with a length of its own, so that durations mean something: diphthongs and affricates are one
token, r-coloured and syllabic sounds are two (`ɑːɹ` is `ɑː ɹ`, `əl` is `ə l`).
"""

PAD = 0
SPACE = " "
PUNCTUATION = (",", ".", "!", "?", ";", ":", "—", "…")
VOWELS = (
    "ɪ", "ə", "ɛ", "æ", "ʌ", "i", "iː", "ɚ", "ɐ", "eɪ", "oʊ", "aɪ", "uː", "ɑː", "ᵻ", "ɔː", "ɜː", "aʊ", "ɔ", "ʊ", "ɔɪ",
)  # fmt: skip
CONSONANTS = (
    "p", "b", "t", "d", "k", "ɡ", "f", "v", "θ", "ð", "s", "z", "ʃ", "ʒ", "h", "m", "n", "ŋ", "l", "ɹ", "w", "j",
    "tʃ", "dʒ", "ɾ",
)  # fmt: skip
STRESS = ("", "ˈ", "ˌ")
"""None, primary, secondary."""

SYMBOLS = ("", SPACE, *PUNCTUATION, *CONSONANTS, *(stress + vowel for vowel in VOWELS for stress in STRESS))
"""Tokens by id; id 0 is the pad."""
IDS = {symbol: i for i, symbol in enumerate(SYMBOLS) if symbol}

SPLIT = {
    "ɑːɹ": ("ɑː", "ɹ"), "ɔːɹ": ("ɔː", "ɹ"), "oːɹ": ("ɔː", "ɹ"), "ɪɹ": ("ɪ", "ɹ"), "ɛɹ": ("ɛ", "ɹ"), "ʊɹ": ("ʊ", "ɹ"),
    "aɪɚ": ("aɪ", "ɚ"), "aɪə": ("aɪ", "ə"), "iə": ("i", "ə"), "əl": ("ə", "l"), "n̩": ("ə", "n"), "m̩": ("ə", "m"),
    "l̩": ("ə", "l"), "ʔ": ("t",), "aɪʊ": ("aɪ", "ʊ"), "aʊɚ": ("aʊ", "ɚ"), "ʊə": ("ʊ", "ə"), "eə": ("ɛ", "ə"),
}  # fmt: skip
"""espeak's phonemes that are several tokens, or another one."""

NEAREST = {
    "a": "ɑː", "ɑ": "ɑː", "ɒ": "ɑː", "e": "eɪ", "o": "oʊ", "u": "uː", "y": "iː", "ø": "ɜː", "œ": "ɜː", "ɜ": "ɜː",
    "ɨ": "ᵻ", "ʉ": "uː", "ɯ": "uː", "ɤ": "ʌ", "ɵ": "ʊ", "ʏ": "ʊ", "r": "ɹ", "ʁ": "ɹ", "ʀ": "ɹ", "ɻ": "ɹ",
    "x": "k", "χ": "k", "q": "k", "c": "k", "ɣ": "ɡ", "g": "ɡ", "ɟ": "dʒ", "ç": "ʃ", "ɕ": "ʃ", "ʂ": "ʃ", "ʑ": "ʒ",
    "ʐ": "ʒ", "β": "v", "ʋ": "v", "ɸ": "f", "ɬ": "l", "ɫ": "l", "ɭ": "l", "ʎ": "l", "ɲ": "n", "ɳ": "n", "ɴ": "ŋ",
    "ɱ": "m", "ʈ": "t", "ɖ": "d", "ɥ": "w", "ʍ": "w", "ɰ": "w", "ħ": "h", "ɦ": "h", "ʕ": "h", "ʝ": "j",
}  # fmt: skip
"""English tokens nearest to the letters of foreign sounds."""


def tokens_of(phoneme: str) -> list[str]:
    """Vocabulary tokens of one espeak phoneme, whatever its language; marks without a sound are dropped."""
    stress = phoneme[:1] if phoneme[:1] in STRESS[1:] else ""
    sound = phoneme[len(stress) :]
    if phoneme in IDS:
        return [phoneme]
    parts = list(SPLIT.get(sound, ())) or _spell(sound)
    first = next((i for i, part in enumerate(parts) if part in VOWELS), None)
    return [stress + part if i == first else part for i, part in enumerate(parts)]


def _spell(sound: str) -> list[str]:
    """Read an unknown sound letter by letter, longest known piece first."""
    parts, at = [], 0
    while at < len(sound):
        for size in (2, 1):
            piece = sound[at : at + size]
            if piece in IDS or piece in NEAREST:
                parts.append(piece if piece in IDS else NEAREST[piece])
                break
        at += size
    return parts
