//! Finds where a head ends, in one pass over what arrived, however it was cut into reads.

use memchr::memchr;

use super::fault::Fault;
use super::lenient::Reading;

/// Remembers how far a head was searched, so that a head that arrives byte by byte costs no more
/// than one that arrives at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    line_start: u32,
    searched: u32,
}

impl Scan {
    /// The length of the head in `data`, its empty line included, or `None` while it is not whole.
    ///
    /// # Errors
    /// A line that ends with a bare LF.
    #[inline]
    pub fn find_end(&mut self, data: &[u8]) -> Result<Option<usize>, Fault> {
        self.find(data, Reading::Strict)
    }

    /// The same, where a line may end with a bare LF if that is how it is read.
    ///
    /// # Errors
    /// A line that ends with a bare LF, in strict reading.
    #[inline]
    pub fn find(&mut self, data: &[u8], reading: Reading) -> Result<Option<usize>, Fault> {
        let mut line_start = self.line_start as usize;
        let mut from = self.searched as usize;
        while let Some(found) = memchr(b'\n', &data[from..]) {
            let lf = from + found;
            let is_bare = lf == line_start || data[lf - 1] != b'\r';
            if is_bare && reading == Reading::Strict {
                return Err(Fault::BareLf);
            }
            if lf == line_start || (lf == line_start + 1 && !is_bare) {
                return Ok(Some(lf + 1));
            }
            line_start = lf + 1;
            from = line_start;
        }
        self.line_start = line_start as u32;
        self.searched = data.len() as u32;
        Ok(None)
    }

    /// Whether nothing was searched yet.
    pub fn is_new(&self) -> bool {
        self.searched == 0 && self.line_start == 0
    }

    /// Whether the first line has not ended yet.
    pub fn in_first_line(&self) -> bool {
        self.line_start == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_the_same_however_the_head_is_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n";
        let end = 27;
        assert_eq!(Scan::default().find_end(head), Ok(Some(end)));
        for cut in 0..end {
            let mut scan = Scan::default();
            assert_eq!(scan.find_end(&head[..cut]), Ok(None), "cut at {cut}");
            assert_eq!(scan.find_end(head), Ok(Some(end)), "cut at {cut}");
        }
    }

    #[test]
    fn bare_lf_is_a_fault() {
        for head in ["\n", "GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\n"] {
            assert_eq!(Scan::default().find_end(head.as_bytes()), Err(Fault::BareLf));
        }
    }
}
