//! What the cards answered, command by command.

use super::{
    Colour::{Red, Yellow},
    Dashboard,
    Shape::{Bars, Heat, Lines, Stacked, Stat, Table},
    Unit, panel, q, quantile, row,
};

pub const DASHBOARD: Dashboard = Dashboard {
    name: "apdu-analysis",
    title: "APDU analysis",
    about: "C-APDUs and R-APDUs: which commands, which status words, and how long each took where that is on the wire.",
    by_target: true,
    panels: &[
        row("All"),
        panel(Stat, "C-APDUs", Unit::None, 6, &[q("sum(increase(cardlink_apdu_commands_total{@T}[$__range]))", "")])
            .about("In the chosen time. A chain of GET RESPONSE, or of a repeat with another Le, is one command."),
        panel(
            Stat,
            "With an error",
            Unit::Share,
            6,
            &[q(
                "(sum(increase(cardlink_apdu_responses_total{@T,status_category=\"error\"}[$__range])) or vector(0)) / sum(increase(cardlink_apdu_responses_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Share of the R-APDUs in the chosen time whose status word is an error.")
        .steps(&[(0.05, Yellow), (0.2, Red)]),
        panel(
            Stat,
            "With a warning",
            Unit::Share,
            6,
            &[q(
                "(sum(increase(cardlink_apdu_responses_total{@T,status_category=\"warning\"}[$__range])) or vector(0)) / sum(increase(cardlink_apdu_responses_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Share of the R-APDUs in the chosen time whose status word is a warning (62xx, 63xx).")
        .steps(&[(0.05, Yellow)]),
        panel(
            Stat,
            "Commands without an answer",
            Unit::None,
            6,
            &[q(
                "sum(increase(cardlink_apdu_commands_total{@T}[$__range])) - sum(increase(cardlink_apdu_responses_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Commands after which a script stopped, or whose answer was not seen."),
        row("Commands"),
        panel(
            Stacked,
            "Commands",
            Unit::PerSecond,
            12,
            &[q("sum by (command_type) (rate(cardlink_apdu_commands_total{@T}[$__rate_interval]))", "{{command_type}}")],
        )
        .about("C-APDUs by name; `INS_XX` has none."),
        panel(
            Stacked,
            "Commands by what answers them",
            Unit::PerSecond,
            12,
            &[q("sum by (device_type) (rate(cardlink_apdu_commands_total{@T}[$__rate_interval]))", "{{device_type}}")],
        )
        .about("`uicc` is a card over the air; modems, readers and phones stand before a card on this host."),
        row("Answers"),
        panel(
            Stacked,
            "Status words",
            Unit::PerSecond,
            12,
            &[q("sum by (status_word) (rate(cardlink_apdu_responses_total{@T}[$__rate_interval]))", "{{status_word}}")],
        )
        .about("R-APDUs by status word, folded where it counts or measures (61xx, 63Cx, …)."),
        panel(
            Lines,
            "Errors by command",
            Unit::Share,
            12,
            &[q(
                "sum by (command_type) (rate(cardlink_apdu_responses_total{@T,status_category=\"error\"}[$__rate_interval])) / sum by (command_type) (rate(cardlink_apdu_responses_total{@T}[$__rate_interval]))",
                "{{command_type}}",
            )],
        )
        .about("Share of the answers to each command that are errors.")
        .steps(&[(0.2, Red)]),
        panel(
            Table,
            "What failed",
            Unit::None,
            12,
            &[q(
                "topk(50, sum by (target, command_type, status_word) (increase(cardlink_apdu_responses_total{@T,status_category=\"error\"}[$__range])) > 0)",
                "",
            )],
        )
        .about("Commands and the errors that they were answered with, in the chosen time."),
        panel(
            Bars,
            "Categories",
            Unit::None,
            12,
            &[q("sum by (status_category) (increase(cardlink_apdu_responses_total{@T}[$__range]))", "{{status_category}}")],
        )
        .about("R-APDUs in the chosen time, by the category of their status word."),
        row("Time and size"),
        panel(
            Lines,
            "How long commands took",
            Unit::Seconds,
            8,
            &[
                q(quantile!("0.5", "cardlink_apdu_duration_seconds", ", command_type"), "{{command_type}}, half"),
                q(quantile!("0.95", "cardlink_apdu_duration_seconds", ", command_type"), "{{command_type}}, 95 %"),
            ],
        )
        .about("Only where each APDU's time is on the wire: modems and readers. Inside a script the card runs them one after the other."),
        panel(
            Heat,
            "Times of all commands",
            Unit::None,
            8,
            &[q("sum by (le) (increase(cardlink_apdu_duration_seconds_bucket{@T}[$__rate_interval]))", "{{le}}")],
        )
        .about("How many commands took how long. Two bands are two kinds of commands, or of cards."),
        panel(
            Lines,
            "Bytes",
            Unit::BytesPerSecond,
            8,
            &[q("sum by (direction, device_type) (rate(cardlink_apdu_bytes_total{@T}[$__rate_interval]))", "{{direction}} {{device_type}}")],
        )
        .about("C-APDUs are `sent`, R-APDUs `received`, whatever the vantage."),
    ],
};
