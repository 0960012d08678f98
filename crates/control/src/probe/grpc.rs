//! A check by gRPC: `grpc.health.v1.Health/Check`, whose two messages have one field each.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>

use edge::{OwnRequest, OwnResponse};
use model::GrpcProbe;

use super::{Passed, ProbeFault, ProbePlan, USER_AGENT, fields};

const PATH: &str = "/grpc.health.v1.Health/Check";
/// A response has one field of one byte; what is so much longer is none.
const RESPONSE_BYTES_MAX: usize = 4 * 1024;
/// Of a server's own words so many characters are told.
const MESSAGE_MAX: usize = 120;

/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Field 1 of both messages: the service's name, and the status.
const FIELD: u64 = 1;
const WIRE_VARINT: u64 = 0;
const WIRE_64_BITS: u64 = 1;
const WIRE_BYTES: u64 = 2;
const WIRE_32_BITS: u64 = 5;

pub(super) async fn ask(plan: &ProbePlan, probe: &GrpcProbe) -> Result<Passed, ProbeFault> {
    let ours =
        [("user-agent", USER_AGENT), ("content-type", "application/grpc"), ("te", "trailers")];
    let request = OwnRequest {
        address: plan.address,
        protocol: plan.protocol,
        tls: plan.tls.clone(),
        violations: plan.violations,
        method: "POST",
        target: PATH.to_owned(),
        host: probe.host.as_deref().unwrap_or(&plan.target).to_owned(),
        fields: fields(&ours, &probe.headers),
        body: Some(request(&probe.service)),
        kept: RESPONSE_BYTES_MAX,
        timeout: plan.check.timeout,
    };
    judge(&plan.checker.ask(request).await?, &probe.service)
}

/// The call's message, with its prefix.
fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    // What is empty is not written: it is the default.
    if !service.is_empty() {
        write_varint(FIELD << 3 | WIRE_BYTES, &mut message);
        write_varint(service.len() as u64, &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let length = message.len() as u32;
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

fn judge(response: &OwnResponse, service: &str) -> Result<Passed, ProbeFault> {
    if response.status != 200 {
        return Err(ProbeFault::Status(response.status));
    }
    let media = response.field("content-type").unwrap_or_default();
    if !media.starts_with(b"application/grpc") {
        return Err(ProbeFault::Said(format!("not gRPC: content-type \"{}\"", shown(media))));
    }
    let Some(status) = response.field("grpc-status") else {
        return Err(ProbeFault::Said("not gRPC: the response has no grpc-status".to_owned()));
    };
    if status != b"0" {
        return Err(ProbeFault::Said(refused(response, status, service)));
    }
    let serving = message(&response.body).and_then(serving_status);
    match serving {
        Some(1) => Ok(Passed("SERVING".to_owned())),
        Some(2) => Err(ProbeFault::Said("NOT_SERVING".to_owned())),
        Some(3) => Err(ProbeFault::Said("SERVICE_UNKNOWN".to_owned())),
        Some(_) => Err(ProbeFault::Said("neither SERVING nor NOT_SERVING".to_owned())),
        None => Err(ProbeFault::Said("not a HealthCheckResponse".to_owned())),
    }
}

/// What a status other than OK means here.
fn refused(response: &OwnResponse, status: &[u8], service: &str) -> String {
    let word = match status {
        b"5" if !service.is_empty() => format!("the service `{service}` is not known (NOT_FOUND)"),
        b"12" => "there is no grpc.health.v1.Health (UNIMPLEMENTED)".to_owned(),
        b"4" => "DEADLINE_EXCEEDED".to_owned(),
        b"7" => "PERMISSION_DENIED".to_owned(),
        b"13" => "INTERNAL".to_owned(),
        b"14" => "UNAVAILABLE".to_owned(),
        b"16" => "UNAUTHENTICATED".to_owned(),
        other => format!("grpc-status {}", shown(other)),
    };
    match response.field("grpc-message").filter(|message| !message.is_empty()) {
        Some(message) => format!("{word}: {}", shown(message)),
        None => word,
    }
}

/// What a server wrote, as it may be shown to people.
fn shown(text: &[u8]) -> String {
    let plain = |byte: &u8| if matches!(byte, 0x20..=0x7e) { char::from(*byte) } else { '?' };
    text.iter().take(MESSAGE_MAX).map(plain).collect()
}

/// The one message that a body holds, if it is not compressed.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
    let (compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    (*compressed == 0 && length as usize == message.len()).then_some(message)
}

/// The status that a message tells; fields that are not known are passed over.
fn serving_status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = read_varint(&mut message)?;
        match (key >> 3, key & 7) {
            (FIELD, WIRE_VARINT) => status = read_varint(&mut message)?,
            (_, WIRE_VARINT) => drop(read_varint(&mut message)?),
            (_, WIRE_64_BITS) => message = message.get(8..)?,
            (_, WIRE_32_BITS) => message = message.get(4..)?,
            (_, WIRE_BYTES) => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            _ => return None,
        }
    }
    Some(status)
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front of `bytes`.
fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for place in 0..10u32 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        // Of the tenth byte one bit is left.
        let part = u64::from(byte & 0x7f);
        value |= part.checked_shl(7 * place).filter(|it| it >> (7 * place) == part)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_its_service() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("a.B"), [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
        let long = request(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
    }

    #[test]
    fn a_message_is_read_whatever_else_is_in_it() {
        assert_eq!(serving_status(&[]), Some(0));
        assert_eq!(serving_status(&[8, 1]), Some(1));
        // A text, 64 bits, 32 bits and a large number under other names.
        let strange = [
            0x12, 2, b'h', b'i', 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 8, 2, 0x25, 1, 2, 3, 4, 0x28, 0xff,
            1,
        ];
        assert_eq!(serving_status(&strange), Some(2));
        let malformed: [&[u8]; 6] =
            [&[8], &[8, 0x80], &[0x12, 9, 1], &[0x19, 1], &[0x0b], &[8, 0xff, 0xff]];
        for malformed in malformed {
            assert_eq!(serving_status(malformed), None, "{malformed:?}");
        }
    }

    #[test]
    fn numbers_are_bounded() {
        for value in [0, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(value, &mut bytes);
            let mut rest = &bytes[..];
            assert_eq!((read_varint(&mut rest), rest.len()), (Some(value), 0));
        }
        let mut endless: &[u8] = &[0xff; 20];
        assert_eq!(read_varint(&mut endless), None);
        let mut too_large: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(read_varint(&mut too_large), None);
    }

    #[test]
    fn a_body_is_one_plain_message() {
        assert_eq!(message(&[0, 0, 0, 0, 2, 8, 1]), Some(&[8, 1][..]));
        for wrong in [&[][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 3, 8, 1]] {
            assert_eq!(message(wrong), None, "{wrong:?}");
        }
    }
}
