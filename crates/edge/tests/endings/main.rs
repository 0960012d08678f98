//! Each ending that the access log documents is reached on the wire, and leaves one line that says so.
//! An ending that is new does not compile here until it has a way to it.
//!
//! All is one test, alone in its process, whose limits it lowers for a moment.

mod auth;
mod client;
mod instance;
mod scene;

use telemetry::Ending;
use testkit::Protocol;

use scene::Scene;

/// Comes to this end over `protocol`; `None` where that has no such end.
fn reach(ending: Ending, protocol: Protocol) -> Option<Scene> {
    let is_h1 = protocol == Protocol::H1;
    Some(match ending {
        Ending::Ok => instance::fine(protocol),
        Ending::Redirect => client::redirect(protocol),
        Ending::Respond => client::respond(protocol),
        // HTTP/2 has no upgrades (RFC 9113 §8.6).
        Ending::Tunnel => return is_h1.then(instance::tunnel),
        Ending::DrainClosed => instance::departs(protocol),
        Ending::BadRequest => client::bad_request(protocol),
        // TLS itself agrees on HTTP/2.
        Ending::TlsOnPlain => return is_h1.then(client::tls_on_plain),
        Ending::HeaderTooLarge => client::header_too_large(protocol),
        Ending::UriTooLong => client::uri_too_long(protocol),
        Ending::BodyTooLarge => client::body_too_large(protocol),
        // What of a head has come over HTTP/2 is of a connection, not yet of a request.
        Ending::HeaderTimeout => return is_h1.then(client::header_timeout),
        Ending::BodyTimeout => client::body_timeout(protocol),
        Ending::ClientDeadline => client::deadline(protocol),
        Ending::ClientClosed => client::client_closed(protocol),
        Ending::WriteTimeout => client::write_timeout(protocol),
        Ending::MethodNotAllowed => client::method_not_allowed(protocol),
        Ending::Loop => instance::forwarding_to_itself(protocol),
        Ending::Overloaded => client::overloaded(protocol),
        Ending::Preflight => client::preflight(protocol),
        Ending::PreflightRefused => client::preflight_refused(protocol),
        Ending::Denied => client::denied(protocol),
        Ending::Banned => client::banned(protocol),
        Ending::AuthMissing
        | Ending::AuthMalformed
        | Ending::AuthExpired
        | Ending::AuthNotYet
        | Ending::AuthForged
        | Ending::AuthForeign
        | Ending::AuthReplayed
        | Ending::AuthInactive
        | Ending::AuthDenied
        | Ending::AuthUnready
        | Ending::AuthUnavailable
        | Ending::AuthBusy
        | Ending::NotPermitted => return auth::reach(ending, protocol),
        Ending::Limited => client::limited(protocol),
        Ending::Misdirected => client::misdirected(protocol),
        Ending::StoreDown => client::store_down(protocol),
        Ending::NoRoute => client::no_route(protocol),
        Ending::NoInstance => instance::none(protocol),
        Ending::QueueFull => instance::queue_full(protocol),
        Ending::QueueTimeout => instance::queue_timeout(protocol),
        Ending::Shortage => instance::shortage(protocol),
        Ending::ConnectFailed => instance::refusing(protocol),
        Ending::ConnectTimeout => instance::not_accepting(protocol),
        Ending::UpstreamTls => instance::unknown(protocol),
        Ending::UpstreamReset => instance::resetting(protocol),
        Ending::UpstreamProtocol => instance::talking_nonsense(protocol),
        Ending::UpstreamTimeout => instance::silent(protocol),
        Ending::UpstreamTruncated => instance::breaking_off(protocol),
        Ending::Shutdown => client::cut_by_shutdown(protocol),
    })
}

#[test]
fn each_ending_that_the_access_log_documents_is_reached_and_has_one_line() {
    for &ending in Ending::ALL {
        let reached = Protocol::ALL.into_iter().filter(|protocol| {
            let Some(scene) = reach(ending, *protocol) else { return false };
            scene.has_one_line(ending, *protocol);
            true
        });
        assert!(reached.count() > 0, "{ending} is reached by neither protocol");
    }
    auth::a_caller_that_is_banned();
    client::a_stream_that_breaks_its_word();
    client::a_stream_cut_while_its_end_is_awaited();
    client::a_body_of_another_length_than_announced();
    instance::a_tunnel_that_its_instance_resets();
}
