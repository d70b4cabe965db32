//! The messages: what host and worker say to each other. Values travel behind a message, in the
//! payload of its frame, never inside it; each variant says what its payload is.
//!
//! Changing anything here changes the protocol: see [`PROTOCOL`] and the snapshot test.

use serde::{Deserialize, Serialize};

/// The version of everything in this file and of the value encoding. Both sides refuse any other.
pub const PROTOCOL: u32 = 4;

/// From the host to its worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ToWorker {
    /// First and once: how the session is set up. No payload. Answered by `Started`.
    Start(Start),
    /// Runs a program in the session's module scope. No payload. Begins a turn.
    Run { turn: u32, filename: Option<String>, source: String },
    /// Calls a function. Payload: the positional arguments, then one value for each keyword. Begins a turn.
    Call { turn: u32, target: Target, positional: u32, keywords: Vec<String> },
    /// Reads a variable. No payload. Begins a turn.
    Get { turn: u32, name: String },
    /// Writes a variable. Payload: one value. Begins a turn.
    Set { turn: u32, name: String },
    /// Reads all variables that can be sent. No payload. Begins a turn; its `Done` carries a dict
    /// of dicts: scope, name, value.
    Snapshot { turn: u32 },
    /// Tells what can be called, and how. No payload. Begins a turn. Of a module, which is imported first (once more if
    /// `again`), its `Done` carries a dict: `file`, `doc`, `package`, `functions`, `types`, `values`, `unsent`; without
    /// one, of the session: `functions`, `types`, `values` (their types' names), `builtins`, `host`. See the
    /// interpreter's `describe`.
    Describe { turn: u32, module: Option<String>, again: bool },
    /// Answers an `Ask`. Payload: one value for `Outcome::Value`, else none.
    Answer { ask: u32, outcome: Outcome },
    /// The host dropped these function handles. No payload, no answer.
    Release { handles: Vec<u64> },
    /// The program may call these functions too, from the next turn on. No payload, no answer.
    Register { functions: Vec<HostFunction> },
}

/// From a worker to its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ToHost {
    /// First and once: the worker is locked and ready. No payload.
    Hello(Hello),
    /// `Start` was taken. No payload.
    Started,
    /// What the program printed since the last one. No payload.
    Output { text: String },
    /// A line for the host's log. No payload.
    Log { level: LogLevel, text: String },
    /// The program needs something from outside. Payload: see [`Question`].
    Ask { ask: u32, question: Question },
    /// The program is running; where, and how many steps so far. No payload.
    Pulse { steps: u64, file: Option<String>, line: u32 },
    /// The turn succeeded. Payload: one value.
    Done { turn: u32, usage: Usage },
    /// The turn failed. No payload.
    Failed { turn: u32, fault: Fault, usage: Usage },
}

/// How a session is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub limits: SessionLimits,
    /// For hashing and for whatever the language lets a program draw at random.
    pub seed: [u64; 2],
    /// The host's functions the program may call.
    pub functions: Vec<HostFunction>,
}

/// A function of the host. Names that are no identifiers serve one purpose each: `module.name` is a function of a
/// Python module that the program may import, `module.name=` a value there, `use kind` opens a resource, and
/// `use kind.method` calls one of its methods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFunction {
    pub name: String,
    /// A call is a promise at once; otherwise the program waits for the answer where it calls.
    pub background: bool,
}

impl From<&str> for HostFunction {
    /// One that the program waits for.
    fn from(name: &str) -> Self {
        HostFunction { name: name.to_owned(), background: false }
    }
}

/// The interpreter's own limits. `None` lifts one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLimits {
    /// Loop rounds and calls, a turn.
    pub steps: Option<u64>,
    /// Bytes held at once.
    pub memory: Option<u64>,
    /// Calls inside each other.
    pub depth: u32,
    /// Bytes printed, a turn.
    pub output: Option<u64>,
}

/// What to call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Target {
    /// A function by its name in the module scope.
    Name(String),
    /// A function sent to the host earlier.
    Handle(u64),
}

/// How an ask ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Outcome {
    /// The answer is the payload.
    Value,
    /// It raises this in the program.
    Failed { kind: String, message: String },
    /// The host refuses: the limit of asks is reached. The program cannot catch it.
    Limit { message: String },
}

/// What a worker says about itself before it has read anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    pub protocol: u32,
    pub build: String,
    /// What the worker claims to have applied. The host believes the kernel instead and compares.
    pub layers: Vec<LayerClaim>,
}

/// One sandbox layer as the worker reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerClaim {
    pub name: String,
    pub applied: bool,
    pub detail: String,
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// What a program can ask of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Question {
    /// Ask the language model. Payload: one dict of options. Answered by a value.
    Reason {
        /// `reason` or `llm`.
        purpose: String,
        messages: Vec<Message>,
        /// The type the answer will be coerced to, as text.
        expects: Option<String>,
        /// The same as a JSON schema.
        schema: Option<String>,
    },
    /// Find a module's source. No payload. Answered by a dict: `source`, `filename`, `package`.
    Module { name: String, level: u32, from: Option<String> },
    /// Call a function of the host. Payload: the positional arguments, then one value for each keyword.
    Function { name: String, positional: u32, keywords: Vec<String> },
}

/// One message of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub role: String,
    pub content: String,
}

/// Why a turn failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The Dana exception, such as `ZeroDivisionError`.
    pub kind: String,
    pub message: String,
    pub file: Option<String>,
    /// From 1; 0 is unknown.
    pub line: u32,
    /// From 1; 0 is unknown.
    pub column: u32,
    /// The source line.
    pub excerpt: Option<String>,
    /// What the author could do about it.
    pub hint: Option<String>,
    /// Outermost call first.
    pub trace: Vec<TraceFrame>,
    /// Which limit ended the turn, if one did.
    pub limit: Option<LimitKind>,
    /// The program was not even well-formed; nothing ran.
    pub syntax: bool,
    /// The ask whose failure this is.
    pub ask: Option<u32>,
    /// The fault that was being handled.
    pub cause: Option<Box<Fault>>,
    /// What a failed assertion found.
    pub assertion: Option<Box<Assertion>>,
}

/// The condition of a failed assertion, and the values of parts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The condition as it is written.
    pub text: String,
    pub operands: Vec<Operand>,
    /// Which of them were compared.
    pub compared: Option<Compared>,
}

/// The comparison that an assertion is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Positions among the operands.
    pub left: u32,
    pub right: u32,
    /// As it is written, such as `==`.
    pub operator: String,
}

/// A part of a condition and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operand {
    /// Where it begins and ends in the condition's text, in characters.
    pub start: u32,
    pub end: u32,
    /// The value as Dana prints it, or its beginning.
    pub text: String,
    pub shape: Shape,
    /// What it consists of, or the first of that; of operands that were compared.
    pub parts: Vec<Part>,
    /// How many parts there are in all.
    pub count: u32,
}

/// What the parts of a value are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    #[default]
    Plain,
    /// One part: the text itself.
    Text,
    /// In an order, without keys.
    Items,
    /// In no order, without keys.
    Members,
    /// With keys as Dana prints them.
    Pairs,
    /// With names of fields as keys.
    Fields,
}

/// One of what a value consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub key: String,
    pub text: String,
}

/// One call on the way to a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceFrame {
    pub function: String,
    pub file: Option<String>,
    pub line: u32,
    pub column: u32,
    /// The source line.
    pub source: Option<String>,
}

/// The limits that can end a turn from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitKind {
    Steps,
    Memory,
    Depth,
    Output,
    Asks,
}

/// What a turn took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub steps: u64,
    pub memory_peak: u64,
    pub output_bytes: u64,
    pub asks: u32,
}
