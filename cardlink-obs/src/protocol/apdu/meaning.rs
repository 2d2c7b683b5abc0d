//! What status words mean, for people.

/// One sentence, with the clause it is from.
pub(super) const fn of(sw: u16) -> &'static str {
    match sw {
        0x9000 => "Done (TS 102 221 §10.2.1.1).",
        0x9100..=0x91FF => "Done, and a proactive command waits to be fetched (TS 102 221 §10.2.1.1).",
        0x9240 => "The memory is faulty (TS 51.011 §9.4.3).",
        0x9200..=0x92FF => "Done; a data transfer session or the memory's retries are told of (TS 102 221 §10.2.1.1).",
        0x9300 => "The toolkit is busy and the command cannot be done now (TS 102 221 §10.2.1.2).",
        0x9E00..=0x9EFF => "The download failed, and the answer waits for GET RESPONSE (TS 51.011 §9.4.1).",
        0x6100..=0x61FF | 0x9F00..=0x9FFF => "Done; response data wait for GET RESPONSE (ISO/IEC 7816-4 §5.6).",
        0x6C00..=0x6CFF => "Wrong Le: the command is expected again with the length given (ISO/IEC 7816-4 §5.6).",
        0x6200..=0x63FF => warning(sw),
        0x6400..=0x66FF => execution(sw),
        0x6700..=0x6FFF => checking(sw),
        0x9400 => "No file is selected (TS 51.011 §9.4.4).",
        0x9402 => "The address is out of range (TS 51.011 §9.4.4).",
        0x9404 => "The file or the pattern was not found (TS 51.011 §9.4.4).",
        0x9408 => "The file does not fit the command (TS 51.011 §9.4.4).",
        0x9484 => "The algorithm is not supported (GlobalPlatform Card Specification 2.3 §11.1.3).",
        0x9485 => "The key check value is wrong (GlobalPlatform Card Specification 2.3 §11.1.3).",
        0x9800..=0x98FF => security(sw),
        _ => "Not in a standard.",
    }
}

const fn warning(sw: u16) -> &'static str {
    match sw {
        0x6200 => "Warning without details; the memory is as before (TS 102 221 §10.2.1.3).",
        0x6202..=0x6280 => "The card has bytes to be queried for (ISO/IEC 7816-4 §5.6).",
        0x6281 => "Part of the data returned may be corrupt (TS 102 221 §10.2.1.3).",
        0x6282 => "The end of the file or record came before Le bytes (TS 102 221 §10.2.1.3).",
        0x6283 => "The selected file is deactivated (TS 102 221 §10.2.1.3).",
        0x6284 => "The selected file is not formatted as it should be (ISO/IEC 7816-4 §5.6).",
        0x6285 => "The selected file is terminated (TS 102 221 §10.2.1.3).",
        0x6286 => "No input is available from a sensor of the card (ISO/IEC 7816-4 §5.6).",
        0x62F1 => "More data are available (TS 102 221 §10.2.1.3).",
        0x62F2 => "More data are available and a proactive command waits (TS 102 221 §10.2.1.3).",
        0x62F3 => "Response data are available (TS 102 221 §10.2.1.3).",
        0x6300 => "Warning without details, or the authentication failed (ISO/IEC 7816-4 §5.6).",
        0x6310 => "More data are available (GlobalPlatform Card Specification 2.3 §11.4.3.2).",
        0x6381 => "The file is full with the last write (ISO/IEC 7816-4 §5.6).",
        0x63C0 => "Verification failed and no try is left (TS 102 221 §10.2.1.3).",
        0x63C1..=0x63CF => {
            "Verification failed, or the command was done after retries; the last digit counts (TS 102 221 §10.2.1.3)."
        }
        0x63F1 => "More data are expected (TS 102 221 §10.2.1.3).",
        0x63F2 => "More data are expected and a proactive command waits (TS 102 221 §10.2.1.3).",
        _ => "A warning that no standard details (ISO/IEC 7816-4 §5.6).",
    }
}

const fn execution(sw: u16) -> &'static str {
    match sw {
        0x6400 => "The command could not be done; the memory is as before (TS 102 221 §10.2.1.4).",
        0x6401 => "The card needs an immediate answer (ISO/IEC 7816-4 §5.6).",
        0x6500 => "The command could not be done; the memory has changed (TS 102 221 §10.2.1.4).",
        0x6581 => "The memory is faulty (TS 102 221 §10.2.1.4).",
        0x6600..=0x66FF => "A security issue (ISO/IEC 7816-4 §5.6).",
        _ => "The command could not be done (ISO/IEC 7816-4 §5.6).",
    }
}

const fn checking(sw: u16) -> &'static str {
    match sw {
        0x6700 => "Wrong length (TS 102 221 §10.2.1.5).",
        0x6881 => "The logical channel is not supported (TS 102 221 §10.2.1.6).",
        0x6882 => "Secure messaging is not supported (TS 102 221 §10.2.1.6).",
        0x6883 => "The last command of the chain was expected (ISO/IEC 7816-4 §5.6).",
        0x6884 => "Command chaining is not supported (ISO/IEC 7816-4 §5.6).",
        0x6800..=0x68FF => "A function of the class byte is not supported (TS 102 221 §10.2.1.6).",
        0x6981 => "The command does not fit the file's structure (TS 102 221 §10.2.1.7).",
        0x6982 => {
            "Security status not satisfied: there is no secure channel, or no PIN was verified (TS 102 221 §10.2.1.7)."
        }
        0x6983 => "The PIN is blocked (TS 102 221 §10.2.1.7).",
        0x6984 => "The referenced data are invalidated (TS 102 221 §10.2.1.7).",
        0x6985 => "Conditions of use are not satisfied (TS 102 221 §10.2.1.7).",
        0x6986 => "Not allowed: no file is selected (TS 102 221 §10.2.1.7).",
        0x6987 => "Objects of secure messaging are missing (ISO/IEC 7816-4 §5.6).",
        0x6988 => "Objects of secure messaging are wrong (ISO/IEC 7816-4 §5.6).",
        0x6989 => "Not allowed: no secure channel (TS 102 221 §10.2.1.7).",
        0x6999 => "The application could not be selected (GlobalPlatform Card Specification 2.3 §11.9.3.2).",
        0x6900..=0x69FF => "The command is not allowed (TS 102 221 §10.2.1.7).",
        0x6A80 => "Wrong parameters in the data field (TS 102 221 §10.2.1.8).",
        0x6A81 => "The function is not supported (TS 102 221 §10.2.1.8).",
        0x6A82 => "The file or application was not found (TS 102 221 §10.2.1.8).",
        0x6A83 => "The record was not found (TS 102 221 §10.2.1.8).",
        0x6A84 => "There is not enough memory (TS 102 221 §10.2.1.8).",
        0x6A85 => "Lc does not fit the data's structure (ISO/IEC 7816-4 §5.6).",
        0x6A86 => "Wrong P1 or P2 (TS 102 221 §10.2.1.8).",
        0x6A87 => "Lc does not fit P1 and P2 (TS 102 221 §10.2.1.8).",
        0x6A88 => "The referenced data were not found, as when a load did not apply (TS 102 221 §10.2.1.8).",
        0x6A89 => "The file is there already (ISO/IEC 7816-4 §5.6).",
        0x6A8A => "The name is there already (ISO/IEC 7816-4 §5.6).",
        0x6A00..=0x6AFF => "Wrong parameters (TS 102 221 §10.2.1.8).",
        0x6B00 => "Wrong P1 or P2 (TS 102 221 §10.2.1.5).",
        0x6D00 => "The instruction is not supported, or invalid (TS 102 221 §10.2.1.5).",
        0x6E00 => "The class is not supported (TS 102 221 §10.2.1.5).",
        0x6F00 => "A technical problem without details (TS 102 221 §10.2.1.5).",
        _ => "A checking error that no standard details (ISO/IEC 7816-4 §5.6).",
    }
}

const fn security(sw: u16) -> &'static str {
    match sw {
        0x9802 => "No CHV is initialised (TS 51.011 §9.4.5).",
        0x9804 => "Access conditions are not fulfilled, or the CHV is wrong (TS 51.011 §9.4.5).",
        0x9808 => "In contradiction with the CHV's status (TS 51.011 §9.4.5).",
        0x9810 => "In contradiction with the invalidation's status (TS 51.011 §9.4.5).",
        0x9840 => "The CHV is blocked (TS 51.011 §9.4.5).",
        0x9850 => "The value has reached its maximum (TS 102 221 §10.2.1.9).",
        0x9862 => "Authentication error: the MAC is wrong (TS 102 221 §10.2.1.9).",
        0x9863 => "The security session or association has expired (TS 102 221 §10.2.1.9).",
        0x9864 => "The minimum UICC suspension time is too long (TS 102 221 §10.2.1.9).",
        _ => "A security error that no standard details (TS 102 221 §10.2.1.9).",
    }
}
