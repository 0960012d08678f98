//! `respond` of a route.

use model::Respond;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::narrow;
use crate::schema::{Absent, Format, Key, Shape, TEXT, Table};
use crate::value::header;

const MEDIA_TYPE: Format = Format { noun: "a media type", pattern: Some("^[^/]+/[^/]+") };

pub(crate) const KEY: Key = Key::new(
    "respond",
    Shape::Table(&RESPOND),
    Absent::Means("`to` or `redirect` must be there"),
    "{ status = 503, body = \"back soon\" }",
    "Responds without an instance.",
)
.aka(&["response", "answer", "fixed_response", "static_response"]);

pub(crate) static RESPOND: Table = Table {
    header: "[routes.respond]",
    noun: "a response",
    doc: "Responds without an instance.",
    keys: &[
        Key::new("status", Shape::Count(200..=599), Absent::Count(200), "503", "The status.")
            .aka(&["code", "status_code"]),
        Key::new("body", Shape::Text(&TEXT), Absent::Text(""), "\"back soon\"", "The body.")
            .aka(&["text", "content", "message"]),
        Key::new(
            "content_type",
            Shape::Text(&MEDIA_TYPE),
            Absent::Text("text/plain; charset=utf-8"),
            "\"application/json\"",
            "The body's type.",
        )
        .aka(&["type", "content-type", "mime"]),
    ],
    later: &[],
};

pub(crate) fn read(node: &Node<'_>) -> Option<Respond> {
    let section = node.section()?;
    let status = narrow(section.count("status"))?;
    let body = section.parse_or_default("body", |text| Ok(text.to_owned()));
    let content_type = section.parse_or_default("content_type", header::parse_media_type);
    if matches!(status, 204 | 205 | 304) && body.as_ref().is_some_and(|body| !body.is_empty()) {
        let flaw = Flaw::new(
            Code::Conflict,
            format!("a response with status {status} has no body"),
            "it could not be sent",
            "remove `body`, or use another status",
        );
        section.report_at("body", flaw, &[]);
    }
    Some(Respond { status, body: body?, content_type: content_type? })
}
