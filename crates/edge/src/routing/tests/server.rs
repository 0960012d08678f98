//! What servers do to paths, restated from what such servers are known to do: what routes are checked
//! against, here and by the fuzz target `path`. Knows nothing of the router.

/// How one server reads a path, restated from what such servers do and not from what the router
/// thinks of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) decodings: usize,
    /// After how many decodings parameters are dropped; never where there are not so many.
    pub(crate) parameters: usize,
    /// The same of backslashes, which become slashes.
    pub(crate) backslashes: usize,
    /// The same of what follows a question mark, which is dropped.
    pub(crate) queries: usize,
    /// The same of a number sign.
    pub(crate) fragments: usize,
    /// The same of an authority behind two slashes, which is dropped.
    pub(crate) authorities: usize,
    /// Whether the authority is looked for before all else that is done after as many decodings.
    pub(crate) authority_first: bool,
    /// Whether more than two slashes may stand before it.
    pub(crate) is_loose: bool,
    /// Whether empty segments are dropped before dots are resolved.
    pub(crate) merges: bool,
    /// Whether an escaped slash stays apart from the others.
    pub(crate) keeps_slashes: bool,
}

/// Stands for a slash that separates nothing.
const KEPT_SLASH: u8 = 1;

impl Server {
    /// The segments that it finds; `None` where it would refuse the path.
    pub(crate) fn read(self, path: &str) -> Option<Vec<Vec<u8>>> {
        let mut text = path.as_bytes().to_vec();
        for done in 0..=self.decodings {
            if self.authorities == done && self.authority_first {
                text = self.behind_authority(text);
            }
            if self.parameters == done {
                text = text
                    .split(|byte| *byte == b'/')
                    .map(|segment| segment.split(|byte| *byte == b';').next().unwrap().to_vec())
                    .collect::<Vec<_>>()
                    .join(&b'/');
            }
            if self.backslashes == done {
                text.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
            }
            for (mark, cut) in [(b'?', self.queries), (b'#', self.fragments)] {
                if cut == done {
                    text = text.split(|byte| *byte == mark).next().unwrap().to_vec();
                }
            }
            if self.authorities == done && !self.authority_first {
                text = self.behind_authority(text);
            }
            if done < self.decodings {
                let last = done + 1 == self.decodings;
                text =
                    Self::decode(&text, if last && self.keeps_slashes { KEPT_SLASH } else { b'/' });
            }
        }
        let mut segments: Vec<Vec<u8>> = Vec::new();
        for segment in text[1..].split(|byte| *byte == b'/') {
            match segment {
                b"." => {}
                b"" if self.merges => {}
                b".." => drop(segments.pop()?),
                segment => segments.push(segment.to_vec()),
            }
        }
        segments.retain(|segment| !segment.is_empty());
        Some(segments)
    }

    fn behind_authority(self, text: Vec<u8>) -> Vec<u8> {
        let Some(mut rest) = text.strip_prefix(b"//") else { return text };
        while let Some(more) = rest.strip_prefix(b"/").filter(|_| self.is_loose) {
            rest = more;
        }
        let path: Vec<_> = rest.iter().copied().skip_while(|byte| *byte != b'/').collect();
        if path.is_empty() { b"/".to_vec() } else { path }
    }

    fn decode(text: &[u8], slash: u8) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let digits = text
                .get(at + 1..at + 3)
                .and_then(|it| std::str::from_utf8(it).ok())
                .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
            match digits.filter(|_| text[at] == b'%').map(|it| u8::from_str_radix(it, 16)) {
                Some(Ok(value)) => {
                    out.push(if value == b'/' { slash } else { value });
                    at += 3;
                }
                _ => {
                    out.push(text[at]);
                    at += 1;
                }
            }
        }
        out
    }
}

/// The route of a path whose segments are `segments`: `/admin/*` is 1, `/a/b/*` 2, all others 0.
pub(crate) fn route_of(segments: &[Vec<u8>]) -> usize {
    let begins = |prefix: &[&[u8]]| {
        segments.len() >= prefix.len()
            && segments.iter().zip(prefix).all(|(one, other)| one == other)
    };
    match (begins(&[b"admin"]), begins(&[b"a", b"b"])) {
        (true, _) => 1,
        (_, true) => 2,
        _ => 0,
    }
}
