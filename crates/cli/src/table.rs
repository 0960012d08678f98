//! Columns of text, aligned, some of it coloured. Escapes have no width, which is what general
//! table libraries need a terminal library for.

use anstyle::Style;

use crate::foreign::shown;

/// Between two columns.
const GAP: &str = "  ";

/// Rows of cells under a head.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A column: its title, and which side its cells lean to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// For words.
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

/// A piece of text in one style, whoever wrote it: it stays in its line.
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
        self.rows.push(cells.into());
    }

    /// The table, each line ended.
    pub(crate) fn render(&self) -> String {
        let head = self.columns.iter().map(|column| Cell::new(column.title()).dim()).collect();
        let rows: Vec<&Vec<Cell>> = std::iter::once(&head).chain(&self.rows).collect();
        let width = |at: usize| {
            rows.iter().filter_map(|row| row.get(at)).map(Cell::width).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        rows.iter().map(|row| self.line(row, &widths)).collect()
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
        line.push('\n');
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
    fn columns_are_aligned_whatever_their_colours() {
        let mut table = Table::new([Column::Left("NAME"), Column::Right("N"), Column::Left("WHY")]);
        table.row([Cell::styled("a", Style::new().bold()), "10".into(), "because".into()]);
        table.row([Cell::new("länger"), "5".into(), Cell::default()]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "NAME     N  WHY\na       10  because\nlänger   5\n");
    }
}
