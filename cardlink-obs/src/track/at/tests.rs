//! Dialogues as programs and modems hold them.
