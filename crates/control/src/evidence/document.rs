//! Evidence as the journal keeps it: JSON with short names, compressed. Names stand in it once and are told by their places.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use model::{ClientErrors, InstanceName, LittleData, RouteId};
use rollout::{
    Assignment, Barred, Block, Client, Count, Fate, Fates, Latencies, Moment, Observed, Old, Past,
    PastRoute, PastSpan, Place, Serving, Side, Timed, Why,
};
use serde::{Deserialize, Serialize};

use super::Evidence;

/// The form of the document. Another form has another number.
const FORM: u32 = 1;
/// No more is read of a document than this: the bounds of what is kept leave it far below.
const BYTES_MAX: u64 = 64 << 20;

/// Why what was kept cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// It is no such document.
    #[error("what it was judged by cannot be read")]
    Form(#[from] serde_json::Error),
    /// It is not whole.
    #[error("what it was judged by is damaged")]
    Damaged(#[from] std::io::Error),
    /// A later Plimsoll wrote it.
    #[error("what it was judged by is kept in form {0}, which this Plimsoll does not know")]
    Newer(u32),
}

#[derive(Serialize, Deserialize)]
struct Document {
    form: u32,
    rule: Rule,
    routes: Vec<String>,
    instances: Vec<(String, Release)>,
    past: Vec<(u64, Vec<PastText>)>,
    blocks: Vec<Piece>,
}

/// Which release an instance is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Release {
    #[serde(rename = "o")]
    Old,
    #[serde(rename = "n")]
    New,
}

#[derive(Serialize, Deserialize)]
struct Rule {
    max_error_rate: Option<f64>,
    confidence: f64,
    max_slowdown: Option<f64>,
    slowdown_floor_us: u64,
    warm_up_ms: u64,
    min_requests: u64,
    little_data: u8,
    client_errors: u8,
}

#[derive(Serialize, Deserialize)]
struct Piece {
    at: u64,
    /// Instances of the new release and of the old one that serve, and what is left of the old one.
    s: (u32, u32, u8),
    #[serde(skip_serializing_if = "Option::is_none", default)]
    share: Option<f64>,
    /// Those of them that were barred.
    #[serde(skip_serializing_if = "is_default", default)]
    b: (u32, u32),
    /// Instances of the new release that were to come.
    #[serde(skip_serializing_if = "is_default", default)]
    n: u32,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    c: Vec<(PlaceText, [u64; 4])>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    l: Vec<(usize, Vec<(u64, u64)>)>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    o: Vec<ObservedText>,
    #[serde(skip_serializing_if = "is_none", default)]
    lost: u64,
}

/// Route, which is 0 for none and counted from 1, instance, whether it was pinned.
type PlaceText = (usize, usize, bool);

/// Of a route, as in a place, what became of its requests and how long they took.
type PastText = (usize, [u64; 4], Vec<(u64, u64)>);

/// When in microseconds, place, client, fate, status, latency in microseconds, request id, whether it is of the
/// sample.
type ObservedText = (u64, PlaceText, u64, u8, u16, u64, String, bool);

fn is_none(count: &u64) -> bool {
    *count == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const FATES: [Fate; 4] = [Fate::Ok, Fate::Redirect, Fate::ClientError, Fate::Failed];
const OLD: [Old; 3] = [Old::There, Old::Gone, Old::Never];
const LITTLE: [LittleData; 3] = [LittleData::GoOn, LittleData::Wait, LittleData::Hold];
const CLIENT_ERRORS: [ClientErrors; 3] =
    [ClientErrors::Hold, ClientErrors::Rollback, ClientErrors::Tell];

fn place_of<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|it| it == one).unwrap_or_default() as u8
}

impl Evidence {
    /// As it is kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut names = Names::default();
        let blocks = self.moments.iter().map(|moment| names.piece(moment)).collect();
        let past = self.past.spans.iter().map(|span| names.past(span)).collect();
        let model::Judge { max_error_rate, confidence, max_slowdown, min_requests, .. } = self.rule;
        let document = Document {
            form: FORM,
            rule: Rule {
                max_error_rate,
                confidence,
                max_slowdown,
                slowdown_floor_us: self.rule.slowdown_floor.as_micros() as u64,
                warm_up_ms: self.rule.warm_up.as_millis() as u64,
                min_requests,
                little_data: place_of(&LITTLE, &self.rule.little_data),
                client_errors: place_of(&CLIENT_ERRORS, &self.rule.client_errors),
            },
            routes: names.route_names,
            instances: names.instances,
            past,
            blocks,
        };
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let text = serde_json::to_vec(&document).expect("our documents have text for keys");
        encoder.write_all(&text).expect("memory takes everything");
        encoder.finish().expect("memory takes everything")
    }

    /// What was kept.
    ///
    /// # Errors
    /// When it is not whole, or of another form.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        let mut text = Vec::new();
        ZlibDecoder::new(bytes).take(BYTES_MAX).read_to_end(&mut text)?;
        #[derive(Deserialize)]
        struct Form {
            form: u32,
        }
        match serde_json::from_slice::<Form>(&text)? {
            Form { form: FORM } => {}
            Form { form } => return Err(DocumentError::Newer(form)),
        }
        let Document { rule, routes, instances, past, blocks, .. } = serde_json::from_slice(&text)?;
        let routes = routes
            .into_iter()
            .zip(0..)
            .map(|(name, number)| (RouteId::numbered(number), name.into()));
        let tables = Tables {
            routes: routes.collect(),
            instances: instances
                .into_iter()
                .map(|(name, release)| (name.into(), release.into()))
                .collect(),
        };
        let spans = past.into_iter().map(|(until, routes)| tables.past(until, routes)).collect();
        let mut evidence = Self::new(rule.read(), Past { spans });
        evidence.moments = blocks.into_iter().map(|piece| tables.moment(piece)).collect();
        if let Some(first) = evidence.moments.first_mut() {
            first.block.routes = tables.routes.iter().cloned().collect();
        }
        Ok(evidence)
    }
}

impl Rule {
    fn read(self) -> model::Judge {
        let nth = |all: usize, place: u8| usize::from(place).min(all - 1);
        model::Judge {
            max_error_rate: self.max_error_rate,
            confidence: self.confidence,
            max_slowdown: self.max_slowdown,
            slowdown_floor: Duration::from_micros(self.slowdown_floor_us),
            warm_up: Duration::from_millis(self.warm_up_ms),
            min_requests: self.min_requests,
            little_data: LITTLE[nth(LITTLE.len(), self.little_data)],
            client_errors: CLIENT_ERRORS[nth(CLIENT_ERRORS.len(), self.client_errors)],
        }
    }
}

impl From<Release> for Side {
    fn from(release: Release) -> Self {
        match release {
            Release::Old => Self::Stable,
            Release::New => Self::Canary,
        }
    }
}

impl From<Side> for Release {
    fn from(side: Side) -> Self {
        match side {
            Side::Stable => Self::Old,
            Side::Canary => Self::New,
        }
    }
}

fn fates([ok, redirects, client_errors, failed]: [u64; 4]) -> Fates {
    Fates { ok, redirects, client_errors, failed }
}

fn classes(latencies: &Latencies) -> Vec<(u64, u64)> {
    latencies.classes().map(|(class, count)| (class.as_micros() as u64, count)).collect()
}

fn latencies(classes: Vec<(u64, u64)>) -> Latencies {
    let mut latencies = Latencies::default();
    for (class, count) in classes {
        latencies.record(Duration::from_micros(class), count);
    }
    latencies
}

/// The names that stand in a document, by their places.
#[derive(Default)]
struct Names {
    routes: BTreeMap<RouteId, usize>,
    route_names: Vec<String>,
    known: BTreeMap<(InstanceName, Release), usize>,
    instances: Vec<(String, Release)>,
}

impl Names {
    fn past(&mut self, span: &PastSpan) -> (u64, Vec<PastText>) {
        let routes = span.routes.iter().map(|it| {
            let route = it.route.as_ref().map_or(0, |id| self.route(id) + 1);
            (route, FATES.map(|fate| it.fates.of(fate)), classes(&it.latencies))
        });
        (span.until.as_millis() as u64, routes.collect())
    }

    fn piece(&mut self, moment: &Moment) -> Piece {
        let Moment { at, serving, block } = moment;
        for (id, name) in &block.routes {
            let place = self.route(id);
            self.route_names[place] = name.to_string();
        }
        let of = |fates: &Fates| FATES.map(|fate| fates.of(fate));
        Piece {
            at: at.as_millis() as u64,
            s: (serving.canary, serving.stable, place_of(&OLD, &serving.old)),
            n: serving.coming,
            share: block.share,
            b: (block.barred.canary, block.barred.stable),
            c: block.counts.iter().map(|it| (self.place(&it.place), of(&it.fates))).collect(),
            l: block.latencies.iter().map(|it| self.timed(it)).collect(),
            o: block.observed.iter().map(|it| self.observed(it)).collect(),
            lost: block.lost,
        }
    }

    fn route(&mut self, id: &RouteId) -> usize {
        let next = self.routes.len();
        let place = *self.routes.entry(id.clone()).or_insert(next);
        if place == next {
            self.route_names.push(String::new());
        }
        place
    }

    fn instance(&mut self, name: &InstanceName, side: Side) -> usize {
        let release = Release::from(side);
        let next = self.instances.len();
        let place = *self.known.entry((name.clone(), release)).or_insert(next);
        if place == next {
            self.instances.push((name.to_string(), release));
        }
        place
    }

    fn place(&mut self, place: &Place) -> PlaceText {
        let route = place.route.as_ref().map_or(0, |id| self.route(id) + 1);
        let instance = self.instance(&place.instance, place.side);
        (route, instance, place.assignment == Assignment::Pinned)
    }

    fn timed(&mut self, timed: &Timed) -> (usize, Vec<(u64, u64)>) {
        (self.instance(&timed.instance, timed.side), classes(&timed.latencies))
    }

    fn observed(&mut self, attempt: &Observed) -> ObservedText {
        let micros = |time: Duration| time.as_micros() as u64;
        (
            micros(attempt.at),
            self.place(&attempt.place),
            attempt.client.0,
            place_of(&FATES, &attempt.fate),
            attempt.status.unwrap_or(0),
            micros(attempt.latency),
            attempt.request_id.to_string(),
            attempt.why == Why::Sampled,
        )
    }
}

/// The same, the other way round.
struct Tables {
    routes: Vec<(RouteId, Arc<str>)>,
    instances: Vec<(InstanceName, Side)>,
}

impl Tables {
    fn past(&self, until: u64, routes: Vec<PastText>) -> PastSpan {
        let route = |(route, counted, classes): PastText| PastRoute {
            route: self.route(route),
            fates: fates(counted),
            latencies: latencies(classes),
        };
        PastSpan {
            until: Duration::from_millis(until),
            routes: routes.into_iter().map(route).collect(),
        }
    }

    fn route(&self, number: usize) -> Option<RouteId> {
        let place = number.checked_sub(1)?;
        self.routes.get(place).map(|(id, _)| id.clone())
    }

    fn moment(&self, piece: Piece) -> Moment {
        let counts = piece.c.into_iter().filter_map(|(place, counted)| {
            Some(Count { place: self.place(place)?, fates: fates(counted) })
        });
        let timed = piece.l.into_iter().filter_map(|(instance, classes)| {
            let (instance, side) = self.instances.get(instance)?.clone();
            Some(Timed { instance, side, latencies: latencies(classes) })
        });
        let block = Block {
            share: piece.share,
            barred: Barred { canary: piece.b.0, stable: piece.b.1 },
            counts: counts.collect(),
            latencies: timed.collect(),
            observed: piece.o.into_iter().filter_map(|it| self.observed(it)).collect(),
            lost: piece.lost,
            routes: BTreeMap::new(),
        };
        let (canary, stable, old) = piece.s;
        let old = OLD[usize::from(old).min(OLD.len() - 1)];
        let serving = Serving { canary, stable, coming: piece.n, old };
        Moment { at: Duration::from_millis(piece.at), serving, block }
    }

    fn place(&self, (route, instance, is_pinned): PlaceText) -> Option<Place> {
        let (instance, side) = self.instances.get(instance)?.clone();
        let route = self.route(route);
        let assignment = if is_pinned { Assignment::Pinned } else { Assignment::Drawn };
        Some(Place { route, instance, side, assignment })
    }

    fn observed(&self, text: ObservedText) -> Option<Observed> {
        let (at, place, client, fate, status, latency, request_id, is_sampled) = text;
        Some(Observed {
            at: Duration::from_micros(at),
            place: self.place(place)?,
            client: Client(client),
            fate: *FATES.get(usize::from(fate))?,
            status: (status > 0).then_some(status),
            latency: Duration::from_micros(latency),
            request_id: request_id.into(),
            why: if is_sampled { Why::Sampled } else { Why::Failed },
        })
    }
}

#[cfg(test)]
mod tests {
    use model::{Matcher, PathMatch};

    use super::*;

    fn evidence() -> Evidence {
        let path = PathMatch::Exact("/pay".into());
        let route = RouteId::of(&Matcher { path, ..Matcher::default() });
        let place = |name: &str, side, assignment| Place {
            route: Some(route.clone()),
            instance: name.into(),
            side,
            assignment,
        };
        let latencies = latencies(vec![(1_234, 7)]);
        let observed = Observed {
            at: Duration::from_millis(1_250),
            place: place("api-3", Side::Canary, Assignment::Pinned),
            client: Client(u64::MAX),
            fate: Fate::Failed,
            status: Some(503),
            latency: Duration::from_millis(12),
            request_id: "0123456789abcdef".into(),
            why: Why::Failed,
        };
        let fates = Fates { ok: 3, redirects: 1, client_errors: 4, failed: 1 };
        let count = |name: &str, side| Count { place: place(name, side, Assignment::Drawn), fates };
        let block = Block {
            barred: Barred { canary: 1, stable: 2 },
            share: Some(0.25),
            counts: vec![count("api-1", Side::Stable), count("api-3", Side::Canary)],
            latencies: vec![Timed {
                instance: "api-1".into(),
                side: Side::Stable,
                latencies: latencies.clone(),
            }],
            observed: vec![observed],
            lost: 2,
            routes: [(route.clone(), "host /pay".into())].into(),
        };
        let rule = model::Judge { max_error_rate: None, ..model::Judge::default() };
        let past = PastRoute { route: Some(route), fates, latencies };
        let span = PastSpan { until: Duration::from_secs(9), routes: vec![past] };
        let mut evidence = Evidence::new(rule, Past { spans: vec![span] });
        let serving = Serving { canary: 2, stable: 1, coming: 1, old: Old::There };
        evidence.add(Duration::from_millis(250), serving, &block);
        let serving = Serving { canary: 2, stable: 0, coming: 0, old: Old::Gone };
        let empty = Block { share: None, ..Block::default() };
        evidence.add(Duration::from_millis(500), serving, &empty);
        evidence
    }

    /// Of routes their names are kept, and not what they are made of.
    fn named(evidence: &Evidence) -> Evidence {
        Evidence::decode(&evidence.encode()).unwrap()
    }

    #[test]
    fn what_is_kept_comes_back_whole_but_for_what_routes_are_made_of() {
        let back = named(&evidence());
        let numbered = RouteId::numbered(0);
        let mut expected = evidence();
        expected.past.spans[0].routes[0].route = Some(numbered.clone());
        let block = &mut expected.moments[0].block;
        block.routes = [(numbered.clone(), "host /pay".into())].into();
        let places = block.counts.iter_mut().map(|count| &mut count.place);
        let places = places.chain(block.observed.iter_mut().map(|it| &mut it.place));
        places.for_each(|place| place.route = Some(numbered.clone()));
        assert_eq!((back.rule, back.past), (expected.rule, expected.past));
        assert_eq!(back.moments, expected.moments);
        assert_eq!(named(&named(&evidence())), named(&evidence()));
    }

    #[test]
    fn what_is_damaged_or_of_another_form_is_said_to_be() {
        let whole = evidence().encode();
        assert!(matches!(
            Evidence::decode(&whole[..whole.len() / 2]),
            Err(DocumentError::Damaged(_))
        ));
        assert!(matches!(Evidence::decode(b"nothing of ours"), Err(DocumentError::Damaged(_))));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(br#"{"form":2}"#).unwrap();
        let newer = Evidence::decode(&encoder.finish().unwrap());
        assert!(matches!(newer, Err(DocumentError::Newer(2))), "{newer:?}");
    }
}
