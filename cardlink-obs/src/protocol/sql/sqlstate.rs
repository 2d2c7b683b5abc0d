//! Classes of errors, by the first two characters of SQLSTATE (ISO 9075-2 §24.1, and PostgreSQL's own).

/// The word for labels.
pub fn error_class(sqlstate: &str) -> &'static str {
    match sqlstate {
        // Standard words say little of these; they are what an operator looks for.
        "40P01" => return "deadlock",
        "57014" => return "cancelled",
        "53300" => return "too_many_connections",
        "57P01" | "57P02" | "57P03" => return "shutdown",
        _ => {}
    }
    match sqlstate.get(..2).unwrap_or_default() {
        "08" => "connection",
        "0A" => "not_supported",
        "21" => "cardinality",
        "22" => "data",
        "23" => "constraint",
        "24" | "34" => "cursor",
        "25" | "2D" | "3B" => "transaction_state",
        "26" => "statement_name",
        "28" => "authentication",
        "3D" | "3F" => "no_such_database",
        "40" => "serialization",
        "42" => "syntax_or_access",
        "44" => "check_option",
        "53" => "resources",
        "54" => "limit",
        "55" => "object_state",
        "57" => "operator",
        "58" | "XX" => "internal",
        "F0" => "configuration",
        "HY" => "general",
        "HV" => "foreign_data",
        "P0" | "38" | "39" | "2F" => "routine",
        _ => "other",
    }
}
