// SPDX-License-Identifier: Apache-2.0

//! Divides an OTLP request into parts of limited size.
//!
//! What fits is copied as it stands. What does not is gone through: a resource
//! by its scopes, a scope by its items or metrics, a metric by its data points.
//! Every part repeats what describes the levels around its items (resource,
//! scope, schema URL, a metric's name and unit, unknown fields).

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use otapbridge_context::{ProcessingError, Signal};

use crate::schema::MessageType;
use crate::size::{Size, Sizer};
use crate::wire::{Malformed, Reader, len_field_head_len, push_len_field_head};

/// A part of a request: a request of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// OTLP protobuf.
    pub bytes: Bytes,
    /// Its size.
    pub size: Size,
}

/// A divided request, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Divided {
    /// What goes into the room; `None` if not even one item does.
    pub first: Option<Piece>,
    /// The rest. Each is filled up to the maximum before the next one begins; one
    /// item that is larger than the maximum is a piece of its own.
    pub rest: Vec<Piece>,
}

/// How often the parts together may repeat the request's bytes. Without a bound,
/// a request of a few megabytes with a large resource and many tiny items could
/// become terabytes.
const MAX_GROWTH: usize = 16;

/// Up to here the parts may grow in any case.
const GROWTH_ALLOWED: usize = 64 << 20;

/// Why a request cannot be divided. As a [`ProcessingError`] it is an InvalidArgument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DivideError {
    /// It is no OTLP.
    Malformed(Malformed),
    /// Repeating its descriptions would multiply its size.
    Growth {
        /// Bytes of the request.
        request: usize,
        /// What its parts may have at most.
        limit: usize,
    },
}

impl fmt::Display for DivideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Growth { request, limit } => write!(
                f,
                "dividing a request of {request} bytes makes more than {limit} bytes, because every part repeats its resource and scope: send smaller requests"
            ),
        }
    }
}

impl From<Malformed> for DivideError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<DivideError> for ProcessingError {
    fn from(error: DivideError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// Divides a request into a piece of at most `room` and pieces of at most `max`
/// (`room` ≤ `max`), as the sizer measures.
///
/// # Errors
/// See [`DivideError`].
pub fn divide(
    signal: Signal,
    request: &[u8],
    sizer: Sizer,
    room: usize,
    max: usize,
) -> Result<Divided, DivideError> {
    let mut divider = Divider {
        input: request,
        sizer,
        max,
        room,
        path: Vec::new(),
        size: Size::default(),
        ops: Vec::new(),
        in_first: true,
        divided: Divided::default(),
        written: 0,
    };
    divider.run(MessageType::Request(signal))?;
    Ok(divider.divided)
}

struct Divider<'a> {
    input: &'a [u8],
    sizer: Sizer,
    max: usize,
    /// Limit of the part in progress: the first one's is the room.
    room: usize,
    /// The levels around what is being read, from the request inwards.
    path: Vec<Around>,
    /// Size of the part in progress, without its bytes.
    size: Size,
    /// How the part in progress is written.
    ops: Vec<Op>,
    /// Whether the part in progress goes into the room.
    in_first: bool,
    divided: Divided,
    /// Bytes of all finished parts.
    written: usize,
}

/// A level that is being gone through.
struct Around {
    level: MessageType,
    /// Its field number in the level outside.
    number: u32,
    /// The fields that describe it.
    description: Vec<Range<usize>>,
    description_len: usize,
    /// Whether and how it is in the part in progress.
    open: Option<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    /// Length of its content so far.
    len: usize,
    /// Its head among the operations.
    head: usize,
}

enum Op {
    /// Tag and length. The length is known when the level or the part ends.
    Head {
        number: u32,
        len: usize,
    },
    Copy(Range<usize>),
}

/// Length of a level as a field. Its tag has one byte.
const fn field_len(content: usize) -> usize {
    len_field_head_len(1, content) + content
}

/// What describes the level, and how many children it has.
fn around(
    level: MessageType,
    number: u32,
    mut body: Reader<'_>,
) -> Result<(Around, usize), Malformed> {
    let mut around = Around {
        level,
        number,
        description: Vec::new(),
        description_len: 0,
        open: None,
    };
    let mut children = 0;
    while let Some(field) = body.next_field()? {
        if level.child(field.number).is_some() {
            children += 1;
            continue;
        }
        let place = field.place();
        around.description_len += place.len();
        match around.description.last_mut() {
            Some(last) if last.end == place.start => last.end = place.end,
            _ => around.description.push(place),
        }
    }
    Ok((around, children))
}

impl Divider<'_> {
    fn run(&mut self, request: MessageType) -> Result<(), DivideError> {
        let body = Reader::new(self.input);
        let (around, _) = around(request, 0, body.clone())?;
        self.path.push(around);
        self.walk(request, body)?;
        if self.ops.is_empty() {
            // No resource at all, only what describes the request.
            self.place(0..0, Size::default())?;
        }
        self.finish()
    }

    /// Places what is in the level, which is the innermost of the path.
    fn walk(&mut self, level: MessageType, mut body: Reader<'_>) -> Result<(), DivideError> {
        while let Some(field) = body.next_field()? {
            let whole = field.place();
            let Some(inner) = level.child(field.number) else {
                continue;
            };
            let mut size = Size::default();
            size.count(inner);
            if inner.is_item() {
                self.place(whole, size)?;
                continue;
            }
            let body = field.message()?;
            size += Size::inside(inner, body.clone())?;
            if self.fits(whole.len(), size) {
                self.put(whole, size);
                continue;
            }
            if inner == MessageType::Metric && self.sizer == Sizer::Rows {
                self.place(whole, size)?;
                continue;
            }
            let (around, children) = around(inner, field.number, body.clone())?;
            // A metric has one kind of data; which of several counts is not
            // ours to say.
            if children == 1 || (children > 1 && inner != MessageType::Metric) {
                self.path.push(around);
                self.walk(inner, body)?;
                let left = self.path.pop();
                self.write_len(left.and_then(|around| around.open));
            } else {
                self.place(whole, size)?;
            }
        }
        Ok(())
    }

    /// Whether a field of the innermost level fits into the part in progress.
    fn fits(&self, len: usize, size: Size) -> bool {
        match self.sizer {
            Sizer::Bytes => self.len_with(len) <= self.room,
            sizer => {
                let mut with = self.size;
                with += size;
                for around in self.path.iter().filter(|around| around.open.is_none()) {
                    with.count(around.level);
                }
                with.by(sizer) <= self.room
            }
        }
    }

    /// Length of the part in progress with one more field in the innermost level.
    fn len_with(&self, len: usize) -> usize {
        let added = self.path.iter().skip(1).rev().fold(len, |added, around| {
            around
                .open
                .map_or(field_len(around.description_len + added), |open| {
                    field_len(open.len + added) - field_len(open.len)
                })
        });
        let request = &self.path[0];
        request
            .open
            .map_or(request.description_len, |open| open.len)
            + added
    }

    /// Puts a field that cannot be divided into the part in progress or, if it
    /// does not fit, into the next one.
    fn place(&mut self, field: Range<usize>, size: Size) -> Result<(), DivideError> {
        if !self.fits(field.len(), size) {
            self.finish()?;
        }
        self.put(field, size);
        Ok(())
    }

    /// Adds a field of the innermost level to the part in progress.
    fn put(&mut self, field: Range<usize>, size: Size) {
        let mut added = field.len();
        // A level is open only if those around it are.
        let opened = self.path.iter().take_while(|a| a.open.is_some()).count();
        for around in self.path.iter_mut().skip(opened) {
            self.size.count(around.level);
            around.open = Some(Open {
                len: around.description_len,
                head: self.ops.len(),
            });
            self.ops.push(Op::Head {
                number: around.number,
                len: 0,
            });
            self.ops
                .extend(around.description.iter().cloned().map(Op::Copy));
        }
        match self.ops.last_mut() {
            Some(Op::Copy(last)) if last.end == field.start => last.end = field.end,
            _ => self.ops.push(Op::Copy(field)),
        }
        for (depth, around) in self.path.iter_mut().enumerate().rev() {
            if let Some(open) = &mut around.open {
                let before = if depth < opened {
                    field_len(open.len)
                } else {
                    0
                };
                open.len += added;
                added = field_len(open.len) - before;
            }
        }
        self.size += size;
    }

    /// Writes the length of a level that is left.
    fn write_len(&mut self, open: Option<Open>) {
        if let Some(open) = open
            && let Some(Op::Head { len, .. }) = self.ops.get_mut(open.head)
        {
            *len = open.len;
        }
    }

    /// Ends the part in progress. The levels around are opened anew in the next.
    fn finish(&mut self) -> Result<(), DivideError> {
        let mut len = 0;
        for depth in (0..self.path.len()).rev() {
            let open = self.path[depth].open.take();
            self.write_len(open);
            len = open.map_or(len, |open| open.len);
        }
        let piece = if self.ops.is_empty() {
            None
        } else {
            Some(self.write(len)?)
        };
        self.room = self.max;
        self.size = Size::default();
        self.ops.clear();
        if std::mem::take(&mut self.in_first) {
            self.divided.first = piece;
        } else {
            self.divided.rest.extend(piece);
        }
        Ok(())
    }

    fn write(&mut self, len: usize) -> Result<Piece, DivideError> {
        self.written += len;
        let limit = (self.input.len() * MAX_GROWTH).max(GROWTH_ALLOWED);
        if self.written > limit {
            return Err(DivideError::Growth {
                request: self.input.len(),
                limit,
            });
        }
        let mut bytes = Vec::with_capacity(len);
        // The request itself has no head.
        for op in &self.ops[1..] {
            match op {
                Op::Head { number, len } => push_len_field_head(&mut bytes, *number, *len),
                Op::Copy(range) => bytes.extend_from_slice(&self.input[range.clone()]),
            }
        }
        Ok(Piece {
            size: Size {
                bytes: bytes.len(),
                ..self.size
            },
            bytes: bytes.into(),
        })
    }
}
