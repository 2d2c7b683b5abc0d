//! Modems, phones and readers.

use super::{
    Colour::{Red, Yellow},
    Dashboard,
    Shape::{Bars, Heat, Lines, Stacked, Stat, Table},
    Unit, panel, q, quantile, row,
};

pub const DASHBOARD: Dashboard = Dashboard {
    name: "device-status",
    title: "Device status",
    about: "Modems, phones and card readers: which are there, how they answer, and whether the program or the device is slow.",
    by_target: true,
    panels: &[
        row("Devices"),
        panel(Stat, "Connected", Unit::None, 12, &[q("sum by (device_type) (cardlink_devices_connected{@A})", "{{device_type}}")])
            .about("Devices that are there now. A kind that was never seen is not shown."),
        panel(
            Lines,
            "Connected, over time",
            Unit::None,
            12,
            &[q("sum by (device_type, instance) (cardlink_devices_connected{@A})", "{{device_type}} {{instance}}")],
        )
        .about("A dip is a device that was pulled, or that reset itself."),
        panel(
            Lines,
            "Errors",
            Unit::PerSecond,
            24,
            &[q("sum by (device_type, error_type) (rate(cardlink_device_errors_total{@T}[$__rate_interval]))", "{{device_type}} {{error_type}}")],
        )
        .about("Errors of the devices themselves, not of the commands."),
        row("Modems"),
        panel(
            Stat,
            "AT commands that failed",
            Unit::Share,
            6,
            &[q(
                "sum(increase(cardlink_at_commands_total{@T,result!=\"ok\"}[$__range])) / sum(increase(cardlink_at_commands_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Share of the AT commands in the chosen time whose result is not OK. Many programs ask what a modem does not know.")
        .steps(&[(0.2, Yellow), (0.5, Red)]),
        panel(
            Stat,
            "AT commands without a result",
            Unit::None,
            6,
            &[q("sum(increase(cardlink_at_commands_total{@T,result=\"timeout\"}[$__range]))", "")],
        )
        .about("Commands in the chosen time that were never answered: a modem that hangs.")
        .steps(&[(1.0, Red)]),
        panel(
            Stat,
            "Time that programs waited for nothing",
            Unit::Seconds,
            12,
            &[q("sum by (target) (increase(cardlink_program_wait_seconds_sum{@T}[$__range]))", "{{target}}")],
        )
        .about("The answer was complete, and the program went on reading: its parser missed the end. Time in the chosen range.")
        .steps(&[(10.0, Yellow), (60.0, Red)]),
        panel(
            Stacked,
            "AT commands by device",
            Unit::PerSecond,
            12,
            &[q("sum by (device) (rate(cardlink_at_commands_total{@T}[$__rate_interval]))", "{{device}}")],
        )
        .about("Commands with a final result code, or a time-out."),
        panel(
            Stacked,
            "Results",
            Unit::PerSecond,
            12,
            &[q("sum by (result) (rate(cardlink_at_commands_total{@T}[$__rate_interval]))", "{{result}}")],
        )
        .about("By final result code; `cme_NN` and `cms_NN` are errors with a number."),
        panel(
            Lines,
            "How long the modem took",
            Unit::Seconds,
            12,
            &[
                q(quantile!("0.5", "cardlink_at_command_duration_seconds", ", device"), "{{device}}, half"),
                q(quantile!("0.95", "cardlink_at_command_duration_seconds", ", device"), "{{device}}, 95 %"),
            ],
        )
        .about("From the end of the command line to the final result code."),
        panel(
            Heat,
            "Times of all AT commands",
            Unit::None,
            12,
            &[q("sum by (le) (increase(cardlink_at_command_duration_seconds_bucket{@T}[$__rate_interval]))", "{{le}}")],
        )
        .about("How many commands took how long."),
        panel(
            Table,
            "What failed",
            Unit::None,
            12,
            &[q(
                "topk(50, sum by (target, device, command, result) (increase(cardlink_at_commands_total{@T,result!=\"ok\"}[$__range])) > 0)",
                "",
            )],
        )
        .about("Commands whose result was not OK in the chosen time."),
        panel(
            Lines,
            "The program's own waiting",
            Unit::Seconds,
            12,
            &[
                q(quantile!("0.5", "cardlink_program_wait_seconds", ", target, interface"), "{{target}} {{interface}}, half"),
                q(quantile!("0.95", "cardlink_program_wait_seconds", ", target, interface"), "{{target}} {{interface}}, 95 %"),
            ],
        )
        .about("How long the program went on polling or reading after its answer was complete."),
        row("Phones"),
        panel(
            Lines,
            "How long adb took",
            Unit::Seconds,
            12,
            &[q(quantile!("0.95", "cardlink_adb_operation_duration_seconds", ", operation"), "{{operation}}, 95 %")],
        )
        .about("Operations of adb, as its server saw them."),
        panel(
            Lines,
            "Phones by state",
            Unit::None,
            12,
            &[q("sum by (state) (cardlink_adb_phones{@A})", "{{state}}")],
        )
        .about("What the adb servers say of the phones that they know."),
        panel(
            Table,
            "What adb could not do",
            Unit::None,
            12,
            &[q(
                "topk(50, sum by (target, device, operation, result) (increase(cardlink_adb_operations_total{@T,result!~\"ok|exit_code|aborted\"}[$__range])) > 0)",
                "",
            )],
        )
        .about("Operations that the server or the phone refused, or that the server left open, in the chosen time."),
        panel(
            Bars,
            "adb operations",
            Unit::None,
            12,
            &[q("sum by (operation) (increase(cardlink_adb_operation_duration_seconds_count{@T}[$__range]))", "{{operation}}")],
        )
        .about("How many of each in the chosen time."),
    ],
};
