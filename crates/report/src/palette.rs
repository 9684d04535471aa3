//! Colours, or none.

/// Colours text for a terminal, or leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    color: bool,
}

impl Palette {
    /// Colours when `color` is set.
    pub const fn new(color: bool) -> Self {
        Self { color }
    }

    /// What is fine.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is not.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What deserves a look.
    pub fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What is less important than its surroundings.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is more important than its surroundings.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// A tick for what held, a cross for what did not.
    pub fn mark(self, held: bool) -> String {
        if held { self.good("✓") } else { self.bad("✗") }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
