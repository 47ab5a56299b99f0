// SPDX-License-Identifier: Apache-2.0

//! Random export requests, and what is in them as prost decodes it.

use otapbridge::{Bytes, Signal};
pub(super) use otapbridge_test_support::otlp::{Container, Request, Scope};
use prost::Message;

use otapbridge_test_support::Random;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) description: String,
    #[prost(string, tag = "3")]
    pub(super) unit: String,
    #[prost(oneof = "Data", tags = "5, 7, 9, 10, 11")]
    pub(super) data: Option<Data>,
    #[prost(bytes = "vec", repeated, tag = "12")]
    pub(super) metadata: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Data {
    #[prost(message, tag = "5")]
    Gauge(Points),
    #[prost(message, tag = "7")]
    Sum(Points),
    #[prost(message, tag = "9")]
    Histogram(Points),
    #[prost(message, tag = "10")]
    ExponentialHistogram(Points),
    #[prost(message, tag = "11")]
    Summary(Points),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Points {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) points: Vec<Vec<u8>>,
    #[prost(int32, tag = "2")]
    pub(super) aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    pub(super) is_monotonic: bool,
}

impl Data {
    pub(super) fn points_mut(&mut self) -> &mut Points {
        match self {
            Self::Gauge(points)
            | Self::Sum(points)
            | Self::Histogram(points)
            | Self::ExponentialHistogram(points)
            | Self::Summary(points) => points,
        }
    }
}

/// The request as prost reads it, with the metrics' fields in the order in which
/// it writes them.
pub(super) fn decode(signal: Signal, bytes: &[u8]) -> Request {
    let mut request = Request::decode(bytes).expect("a request");
    let scopes = request.containers.iter_mut().flat_map(|r| &mut r.scopes);
    if signal == Signal::Metrics {
        for item in scopes.flat_map(|scope| &mut scope.items) {
            *item = Metric::decode(&item[..]).expect("a metric").encode_to_vec();
        }
    }
    request
}

/// What cannot be divided, with the descriptions of the levels around it. Levels
/// are told apart by their place in the request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Atom {
    /// From the request inwards, each without its children.
    pub(super) levels: Vec<(usize, Vec<u8>)>,
    /// An item's field; `None` is a level that contains nothing.
    pub(super) item: Option<Vec<u8>>,
}

/// The request's atoms, in order.
pub(super) fn atoms(signal: Signal, bytes: &[u8]) -> Vec<Atom> {
    let request = Request::decode(bytes).expect("a request");
    let mut atoms = Atoms::default();
    let bare = Request {
        containers: vec![],
        ..request.clone()
    };
    atoms.within(&bare, request.containers, |atoms, resource| {
        let bare = Container {
            scopes: vec![],
            ..resource.clone()
        };
        atoms.within(&bare, resource.scopes, |atoms, scope| {
            let bare = Scope {
                items: vec![],
                ..scope.clone()
            };
            atoms.within(&bare, scope.items, |atoms, item| match signal {
                Signal::Metrics => atoms.metric(&item),
                Signal::Traces | Signal::Logs => atoms.item(item),
            });
        });
    });
    atoms.atoms
}

#[derive(Default)]
struct Atoms {
    atoms: Vec<Atom>,
    levels: Vec<(usize, Vec<u8>)>,
    /// Levels seen so far.
    count: usize,
}

impl Atoms {
    fn within<T>(&mut self, bare: &impl Message, children: Vec<T>, each: impl Fn(&mut Self, T)) {
        self.count += 1;
        self.levels.push((self.count, bare.encode_to_vec()));
        if children.is_empty() {
            self.push(None);
        }
        for child in children {
            each(self, child);
        }
        let _ = self.levels.pop();
    }

    fn metric(&mut self, bytes: &[u8]) {
        let mut metric = Metric::decode(bytes).expect("a metric");
        let points = metric
            .data
            .as_mut()
            .map(|data| std::mem::take(&mut data.points_mut().points));
        self.within(&metric, points.unwrap_or_default(), Self::item);
    }

    fn item(&mut self, item: Vec<u8>) {
        self.push(Some(item));
    }

    fn push(&mut self, item: Option<Vec<u8>>) {
        self.atoms.push(Atom {
            levels: self.levels.clone(),
            item,
        });
    }
}

/// Items among the atoms.
pub(super) fn items(atoms: &[Atom]) -> usize {
    atoms.iter().filter(|atom| atom.item.is_some()).count()
}

type Contents<'a> = (Vec<&'a [u8]>, Option<&'a [u8]>);

/// The atoms without their places, for comparison across requests.
pub(super) fn contents(atoms: &[Atom]) -> Vec<Contents<'_>> {
    atoms
        .iter()
        .map(|atom| {
            let levels = atom.levels.iter().map(|(_, bare)| &bare[..]).collect();
            (levels, atom.item.as_deref())
        })
        .collect()
}

/// The request that contains these atoms.
pub(super) fn request_of(atoms: &[Atom]) -> Request {
    fn decode<M: Message + Default>(bytes: &[u8]) -> M {
        M::decode(bytes).expect("a level's own encoding")
    }
    let mut request: Option<Request> = None;
    let mut before: &[(usize, Vec<u8>)] = &[];
    for atom in atoms {
        let levels = &atom.levels;
        // Depth from which on the levels are others than the atom before had.
        let same = levels.iter().zip(before).take_while(|(a, b)| a.0 == b.0);
        let new = same.count();
        before = levels;
        let request = request.get_or_insert_with(|| decode(&levels[0].1));
        let Some(level) = levels.get(1) else { continue };
        if new <= 1 {
            request.containers.push(decode(&level.1));
        }
        let resource = request.containers.last_mut().expect("just added");
        let Some(level) = levels.get(2) else { continue };
        if new <= 2 {
            resource.scopes.push(decode(&level.1));
        }
        let items = &mut resource.scopes.last_mut().expect("just added").items;
        match levels.get(3) {
            None => items.extend(atom.item.clone()),
            Some(level) => {
                let mut metric: Metric = if new <= 3 {
                    decode(&level.1)
                } else {
                    decode(&items.pop().expect("the same metric"))
                };
                if let (Some(data), Some(point)) = (&mut metric.data, &atom.item) {
                    data.points_mut().points.push(point.clone());
                }
                items.push(metric.encode_to_vec());
            }
        }
    }
    request.unwrap_or_default()
}

/// A thousand empty items below a resource of a megabyte.
pub(super) fn grows_when_divided() -> Bytes {
    let request = Request {
        containers: vec![Container {
            resources: vec![vec![0; 1 << 20]],
            scopes: vec![Scope {
                items: vec![vec![]; 1_000],
                ..Scope::default()
            }],
            ..Container::default()
        }],
        ..Request::default()
    };
    request.encode_to_vec().into()
}

pub(super) fn random_signal(random: &mut Random) -> Signal {
    Signal::ALL[random.below(3)]
}

/// A request with levels of all sizes, empty ones among them.
pub(super) fn random_request(random: &mut Random, signal: Signal) -> Bytes {
    let request = Request {
        containers: random.list(4, |random| resource(random, signal)),
        unknown: "later version".repeat(random.below(5) / 4),
    };
    request.encode_to_vec().into()
}

fn resource(random: &mut Random, signal: Signal) -> Container {
    Container {
        resources: random.list(2, |random| random.bytes(40)),
        scopes: random.list(4, |random| scope(random, signal)),
        schema_url: "r".repeat(random.below(3)),
        unknown: random.next() % 2,
    }
}

fn scope(random: &mut Random, signal: Signal) -> Scope {
    // Now and then lengths beyond 127 bytes, which take two bytes to write.
    let most = if random.chance(8) { 300 } else { 30 };
    Scope {
        scope: (!random.chance(4)).then(|| random.bytes(20)),
        items: random.list(6, |random| match signal {
            Signal::Metrics => metric(random, most).encode_to_vec(),
            Signal::Traces | Signal::Logs => random.bytes(most),
        }),
        schema_url: "s".repeat(random.below(3)),
    }
}

fn metric(random: &mut Random, most: usize) -> Metric {
    let points = Points {
        points: random.list(6, |random| random.bytes(most)),
        aggregation_temporality: random.below(3) as i32,
        is_monotonic: random.chance(2),
    };
    Metric {
        name: "n".repeat(random.below(20)),
        description: "d".repeat(random.below(20)),
        unit: "By".repeat(random.below(2)),
        data: match random.below(6) {
            0 => None,
            1 => Some(Data::Gauge(points)),
            2 => Some(Data::Sum(points)),
            3 => Some(Data::Histogram(points)),
            4 => Some(Data::ExponentialHistogram(points)),
            _ => Some(Data::Summary(points)),
        },
        metadata: random.list(3, |random| random.bytes(5)),
    }
}
