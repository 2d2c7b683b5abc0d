//! AT commands and result codes.
