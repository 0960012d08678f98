//! Columns of text, aligned, some of it coloured. Escapes have no width, which is what general
//! table libraries need a terminal library for.

use anstyle::Style;

use crate::foreign::shown;
use crate::width::{cut, wrapped};

/// Between two columns.
const GAP: &str = "  ";
/// How far what stands below a row is set in.
const BELOW: usize = 4;

/// Rows of cells under a head.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

/// A row, and what stands on lines of its own below it.
#[derive(Debug)]
struct Row {
    cells: Vec<Cell>,
    below: String,
}

/// A column: its title, and which side its cells lean to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// For words.
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

/// A piece of text in one style, wherever it comes from: it stays in its line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row; cells that it lacks at its end are empty.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.row_above(cells, "");
    }

    /// Adds a row with `text` below it, set in, in the width of the terminal.
    pub(crate) fn row_above(&mut self, cells: impl Into<Vec<Cell>>, text: &str) {
        self.rows.push(Row { cells: cells.into(), below: shown(text).into_owned() });
    }

    /// The table, each line ended.
    pub(crate) fn render(self) -> String {
        self.fit(usize::MAX, &[])
    }

    /// The table in no more than `width` columns of the terminal: without those of `spare`, from the
    /// first on, as far as that is needed; what is still too long is cut.
    pub(crate) fn fit(mut self, width: usize, spare: &[&str]) -> String {
        for title in spare {
            if self.width() <= width {
                break;
            }
            self.drop_column(title);
        }
        let widths = self.widths();
        let line = |cells: &[Cell]| format!("{}\n", cut(&self.line(cells, &widths), width));
        let mut text = line(&self.head());
        for Row { cells, below } in &self.rows {
            text.push_str(&line(cells));
            if !below.is_empty() {
                let indent = " ".repeat(BELOW);
                text.push_str(&wrapped(&format!("{indent}{below}\n"), width, BELOW));
            }
        }
        text
    }

    /// How wide it is.
    pub(crate) fn width(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
    }

    /// Takes a column out.
    pub(crate) fn drop_column(&mut self, title: &str) {
        let Some(at) = self.columns.iter().position(|column| column.title() == title) else {
            return;
        };
        self.columns.remove(at);
        for row in self.rows.iter_mut().filter(|row| row.cells.len() > at) {
            row.cells.remove(at);
        }
    }

    fn head(&self) -> Vec<Cell> {
        self.columns.iter().map(|column| Cell::new(column.title()).dim()).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let head = self.head();
        let width = |at: usize| {
            let rows = self.rows.iter().map(|row| &row.cells);
            let cells = std::iter::once(&head).chain(rows).filter_map(|cells| cells.get(at));
            cells.map(Cell::width).max().unwrap_or(0)
        };
        (0..self.columns.len()).map(width).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize]) -> String {
        // What is empty at the end of a line leaves no blanks there.
        let used = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
        let mut line = String::new();
        for (at, cell) in row[..used].iter().enumerate() {
            let blanks = " ".repeat(widths[at] - cell.width());
            let is_last = at + 1 == used;
            match self.columns[at] {
                Column::Right(_) => line.extend([blanks.as_str(), &cell.painted()]),
                Column::Left(_) if is_last => line.push_str(&cell.painted()),
                Column::Left(_) => line.extend([cell.painted().as_str(), &blanks]),
            }
            line.push_str(if is_last { "" } else { GAP });
        }
        line
    }
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Left(title) | Self::Right(title) => title,
        }
    }
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: shown(&text.into()).into_owned(), style }
    }

    fn dim(mut self) -> Self {
        self.style = self.style.dimmed();
        self
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    fn painted(&self) -> String {
        let Self { text, style } = self;
        format!("{style}{text}{style:#}")
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_too_wide_leaves_out_what_it_can_spare() {
        let table = || {
            let mut table =
                Table::new([Column::Left("NAME"), Column::Right("SPARE"), Column::Left("WHY")]);
            table.row(["a".into(), "1".into(), "connection refused".into()]);
            table
        };
        let fit = |width| {
            let fit = table().fit(width, &["SPARE"]);
            anstream::adapter::strip_str(&fit).to_string()
        };
        assert_eq!(fit(80), "NAME  SPARE  WHY\na         1  connection refused\n");
        assert_eq!(fit(24), "NAME  WHY\na     connection refused\n");
        assert_eq!(fit(12), "NAME  WHY\na     conne…\n");
    }

    #[test]
    fn columns_are_aligned_whatever_their_colours() {
        let mut table = Table::new([Column::Left("NAME"), Column::Right("N"), Column::Left("WHY")]);
        table.row([Cell::styled("a", Style::new().bold()), "10".into(), "because".into()]);
        table.row([Cell::new("länger"), "5".into(), Cell::default()]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "NAME     N  WHY\na       10  because\nlänger   5\n");
    }
}
