"""espeak-ng in this process: English text to IPA phonemes, word by word, without a system package."""

import logging
import threading
import unicodedata
from functools import cache

import espeakng_loader
from phonemizer.backend import EspeakBackend
from phonemizer.backend.espeak.wrapper import EspeakWrapper
from phonemizer.separator import Separator

_SEPARATOR = Separator(phone="_", word=" ")
_LOCK = threading.Lock()  # the library keeps global state


def phonemes(text: str) -> list[list[str]]:
    """Phonemes of each spoken word of `text`, which holds no punctuation between clauses.

    Primary and secondary stress stand before the vowel. Digits, abbreviations and foreign letters are read out.
    """
    with _LOCK:
        (spoken,) = _backend().phonemize([text], separator=_SEPARATOR, strip=True) or [""]
    return [[unicodedata.normalize("NFC", p) for p in word.split("_") if p] for word in spoken.split()]


@cache
def _backend() -> EspeakBackend:
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    logger = logging.getLogger("unison.espeak")
    logger.setLevel(logging.ERROR)  # it warns wherever a foreign word switches the language
    return EspeakBackend(
        "en-us", with_stress=True, language_switch="remove-flags", words_mismatch="ignore", logger=logger
    )
