//! Lines that are longer than the terminal is wide go on in the next one, at a word and further in: not somewhere in a number.

use std::io::{self, Write};
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, core::display_width};

/// How much further in a line goes on.
const FURTHER: usize = 4;
/// In fewer columns nothing is gained.
const LEAST: usize = 30;

/// Lays out what is written for a terminal.
#[derive(Debug)]
pub struct Narrow<W: Write> {
    out: W,
    /// Of the terminal, asked for each long line: windows change. `None` for what is no terminal.
    columns: Option<fn() -> Option<usize>>,
    /// A line that has no end yet.
    line: Vec<u8>,
}

impl<W: Write> Narrow<W> {
    pub const fn new(out: W, columns: Option<fn() -> Option<usize>>) -> Self {
        Self { out, columns, line: Vec::new() }
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        // No line is wider than it has bytes.
        let columns = self.columns.filter(|_| line.len() > LEAST).and_then(|columns| columns());
        let Some(columns) = columns.filter(|columns| *columns >= LEAST) else { return self.out.write_all(&line) };
        let text = String::from_utf8_lossy(&line);
        if display_width(&text) <= columns {
            return self.out.write_all(&line);
        }
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        let inner = text.trim_start_matches(' ');
        let indent = " ".repeat((text.len() - inner.len()).min(columns / 3));
        let further = format!("{indent}{}", " ".repeat(FURTHER));
        let options = Options::new(columns)
            .initial_indent(&indent)
            .subsequent_indent(&further)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .wrap_algorithm(WrapAlgorithm::FirstFit);
        let inner = with_their_units(inner);
        let lines = textwrap::wrap(&inner, options).join("\n");
        self.out.write_all(lines.replace(TOGETHER, " ").as_bytes())?;
        self.out.write_all(end.as_bytes())
    }
}

impl<W: Write> Write for Narrow<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        self.out.flush()
    }
}

/// A space at which no line ends.
const TOGETHER: char = '\u{a0}';
const UNITS: [&str; 6] = ["ns", "µs", "ms", "s", "min", "B"];

/// Numbers stay with their units.
fn with_their_units(line: &str) -> String {
    let mut whole = String::with_capacity(line.len());
    for word in line.split_inclusive(' ') {
        if UNITS.contains(&word.trim_end_matches([' ', ',', ')'])) && whole.ends_with(' ') {
            let before = whole.trim_end_matches(' ').len();
            if whole.len() - before == 1 && whole[..before].ends_with(|last: char| last.is_ascii_digit()) {
                whole.truncate(before);
                whole.push(TOGETHER);
            }
        }
        whole.push_str(word);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::Narrow;
    use std::io::Write as _;

    fn laid_out(columns: fn() -> Option<usize>, text: &str) -> String {
        laid_out_on(Some(columns), text)
    }

    fn laid_out_on(columns: Option<fn() -> Option<usize>>, text: &str) -> String {
        let mut narrow = Narrow::new(Vec::new(), columns);
        // However it comes.
        for byte in text.as_bytes() {
            narrow.write_all(&[*byte]).expect("a vector takes all");
        }
        narrow.flush().expect("a vector takes all");
        String::from_utf8(narrow.out).expect("text")
    }

    const TEXT: &str = "  TLS   FAILED wrong_key at client Finished   388 ms\n    do    compare the key of this identity on the card and on the server\n";

    #[test]
    fn a_wide_terminal_and_a_file_get_it_as_it_is() {
        assert_eq!(laid_out(|| Some(80), TEXT), TEXT);
        assert_eq!(laid_out(|| None, TEXT), TEXT);
        assert_eq!(laid_out_on(None, TEXT), TEXT);
        assert_eq!(laid_out(|| Some(8), TEXT), TEXT);
    }

    #[test]
    fn a_long_line_goes_on_further_in() {
        let narrow = "  TLS   FAILED wrong_key at client\n      Finished   388 ms\n    do    compare the key of this\n        identity on the card and on the\n        server\n";
        assert_eq!(laid_out(|| Some(40), TEXT), narrow);
    }

    #[test]
    fn colours_have_no_width_and_words_stay_whole() {
        let text = "\u{1b}[31mFAILED\u{1b}[0m 1234567890 1234567890 12345\n";
        assert_eq!(laid_out(|| Some(34), text), text);
        let long = "a psk-57536863a2psk-57536863a2psk-57536863a2 b\n";
        assert_eq!(laid_out(|| Some(30), long), "a\n    psk-57536863a2psk-57536863a2psk-57536863a2\n    b\n");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        let text = "TLS   ok  412 ms   server 388 ms \u{2502} peer 24 µs\n";
        assert_eq!(laid_out(|| Some(30), text), "TLS   ok  412 ms   server\n    388 ms \u{2502} peer 24 µs\n");
        assert_eq!(laid_out(|| Some(33), text), "TLS   ok  412 ms   server 388 ms\n    \u{2502} peer 24 µs\n");
    }

    #[test]
    fn what_has_no_end_comes_with_the_flush() {
        assert_eq!(laid_out(|| Some(80), "waiting"), "waiting");
    }
}
