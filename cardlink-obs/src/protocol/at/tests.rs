//! Lines of the dialects, and the redactor.
