//! A host that plays its part from a script, and short ways to say what a program does.

use std::ops::ControlFlow;

use dana_lang::{Closed, Outbox, Server};
use dana_wire::{Budget, Datum, Fault, Outcome, Question, SessionLimits, Start, ToHost, ToWorker};

/// A host that answers from a script and keeps everything it is sent.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) output: String,
    pub(crate) asked: Vec<(u32, Question, Vec<Datum>)>,
    pub(crate) ended: Option<Result<Datum, Fault>>,
}

impl Outbox for Host {
    fn send(&mut self, header: &ToHost, payload: &[u8]) -> Result<(), Closed> {
        match header {
            ToHost::Output { text } => self.output.push_str(text),
            ToHost::Ask { ask, question } => {
                let values = Datum::decode_all(payload, &Budget::FROM_WORKER).expect("well-formed ask");
                self.asked.push((*ask, question.clone(), values));
            }
            ToHost::Done { .. } => {
                let value = Datum::decode(payload, &Budget::FROM_WORKER).expect("well-formed result");
                self.ended = Some(Ok(value));
            }
            ToHost::Failed { fault, .. } => self.ended = Some(Err(fault.clone())),
            _ => {}
        }
        Ok(())
    }

    fn pulse(&mut self, _steps: u64, _file: Option<&str>, _line: u32) -> ControlFlow<String> {
        ControlFlow::Continue(())
    }
}

pub(crate) struct Session {
    pub(crate) server: Server,
    pub(crate) host: Host,
    pub(crate) turn: u32,
}

pub(crate) const LIMITS: SessionLimits =
    SessionLimits { steps: Some(50_000_000), memory: Some(64 << 20), depth: 1000, output: Some(1 << 20) };

impl Session {
    pub(crate) fn new() -> Session {
        Session::with(LIMITS)
    }

    pub(crate) fn with(limits: SessionLimits) -> Session {
        let start = Start {
            limits,
            seed: [3, 4],
            functions: ["lookup", "math.sqrt", "math.pi=", "os.path.join"].map(Into::into).to_vec(),
        };
        Session { server: Server::new(start), host: Host::default(), turn: 0 }
    }

    pub(crate) fn send(&mut self, message: ToWorker, payload: &[u8]) {
        self.server.handle(message, payload, &mut self.host).expect("served");
    }

    /// Runs a program to its end; every ask is answered by `answer`.
    pub(crate) fn run_with(
        &mut self,
        source: &str,
        mut answer: impl FnMut(&Question, &[Datum]) -> Result<Datum, String>,
    ) -> (String, Result<Datum, Fault>) {
        self.turn += 1;
        self.host.output.clear();
        self.host.ended = None;
        let run = ToWorker::Run { turn: self.turn, filename: Some("t.na".into()), source: source.into() };
        self.send(run, &[]);
        while self.host.ended.is_none() {
            assert!(!self.host.asked.is_empty(), "the turn neither ended nor asked");
            let (ask, question, values) = self.host.asked.remove(0);
            match answer(&question, &values) {
                Ok(value) => {
                    let payload = value.encode(&Budget::FROM_HOST).expect("encodable");
                    self.send(ToWorker::Answer { ask, outcome: Outcome::Value }, &payload);
                }
                Err(message) => {
                    let outcome = Outcome::Failed { kind: "SandboxError".into(), message };
                    self.send(ToWorker::Answer { ask, outcome }, &[]);
                }
            }
        }
        let ended = self.host.ended.take().expect("ended");
        (self.host.output.clone(), ended)
    }

    pub(crate) fn run(&mut self, source: &str) -> (String, Result<Datum, Fault>) {
        self.run_with(source, |question, _| panic!("unexpected {question:?}"))
    }

    pub(crate) fn value(&mut self, source: &str) -> Datum {
        match self.run(source) {
            (_, Ok(value)) => value,
            (_, Err(fault)) => panic!("{source}\n{fault:?}"),
        }
    }

    pub(crate) fn fault(&mut self, source: &str) -> Fault {
        match self.run(source) {
            (_, Err(fault)) => fault,
            (output, Ok(value)) => panic!("{source}\nended with {value:?} after {output}"),
        }
    }
}

#[track_caller]
pub(crate) fn prints(source: &str, expected: &str) {
    match Session::new().run(source) {
        (output, Ok(_)) => assert_eq!(output, expected, "{source}"),
        (output, Err(fault)) => panic!("{source}\n{output}\n{fault:?}"),
    }
}

#[track_caller]
pub(crate) fn fails(source: &str, kind: &str, message: &str) -> Fault {
    let fault = Session::new().fault(source);
    assert_eq!((fault.kind.as_str(), fault.message.as_str()), (kind, message), "{source}");
    fault
}
