//! The instructions of the register machine.
//!
//! Eight bytes each. Registers are `u8`, so that a register of the 256-wide window needs no bounds check.
//! By convention `a` is the destination. Jump targets are absolute.

#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    // ------------------------------------------------------------------------------ moving
    Move {
        a: u8,
        b: u8,
    },
    /// Moves and leaves `b` unset: for temporaries.
    Take {
        a: u8,
        b: u8,
    },
    Const {
        a: u8,
        k: u32,
    },
    Int {
        a: u8,
        i: i32,
    },
    None {
        a: u8,
    },
    Bool {
        a: u8,
        truth: bool,
    },
    Unset {
        a: u8,
    },
    /// `a = b` unless `b` is `None`.
    Keep {
        a: u8,
        b: u8,
    },
    // ------------------------------------------------------------------------------ variables
    Global {
        a: u8,
        slot: u32,
    },
    SetGlobal {
        b: u8,
        slot: u32,
    },
    UnsetGlobal {
        slot: u32,
    },
    /// Adds to a variable of a namespace in place: `x = x + b`, or `x += b` when `how` is odd; the rest of
    /// `how` is the scope, 0 for the module's own.
    AddGlobal {
        b: u8,
        dead: u8,
        how: u8,
        slot: u32,
    },
    /// The value or unset, without looking further.
    Peek {
        a: u8,
        slot: u32,
    },
    Scoped {
        a: u8,
        scope: u8,
        slot: u32,
    },
    SetScoped {
        b: u8,
        scope: u8,
        slot: u32,
    },
    NewCell {
        a: u8,
    },
    /// Unset when it has no value.
    Cell {
        a: u8,
        b: u8,
    },
    SetCell {
        a: u8,
        b: u8,
    },
    /// Unset when it has no value.
    Capture {
        a: u8,
        at: u32,
    },
    Far {
        a: u8,
        b: u8,
        at: u32,
    },
    SetFar {
        a: u8,
        b: u8,
        at: u32,
    },
    MakeFar {
        a: u8,
        count: u32,
    },
    /// Writes top-level variables kept in registers to their slots.
    Flush,
    // ------------------------------------------------------------------------------ arithmetic
    /// Registers from `dead` on hold nothing that is needed any more.
    Add {
        a: u8,
        b: u8,
        c: u8,
        dead: u8,
    },
    Sub {
        a: u8,
        b: u8,
        c: u8,
    },
    Mul {
        a: u8,
        b: u8,
        c: u8,
    },
    Div {
        a: u8,
        b: u8,
        c: u8,
    },
    FloorDiv {
        a: u8,
        b: u8,
        c: u8,
    },
    Mod {
        a: u8,
        b: u8,
        c: u8,
    },
    Pow {
        a: u8,
        b: u8,
        c: u8,
    },
    /// `a op= b`; `c` is the operator.
    Augment {
        a: u8,
        b: u8,
        c: u8,
        dead: u8,
    },
    AddInt {
        a: u8,
        b: u8,
        i: i32,
    },
    SubInt {
        a: u8,
        b: u8,
        i: i32,
    },
    MulInt {
        a: u8,
        b: u8,
        i: i32,
    },
    ModInt {
        a: u8,
        b: u8,
        i: i32,
    },
    FloorDivInt {
        a: u8,
        b: u8,
        i: i32,
    },
    AddConst {
        a: u8,
        b: u8,
        k: u32,
    },
    SubConst {
        a: u8,
        b: u8,
        k: u32,
    },
    MulConst {
        a: u8,
        b: u8,
        k: u32,
    },
    DivConst {
        a: u8,
        b: u8,
        k: u32,
    },
    Negate {
        a: u8,
        b: u8,
    },
    Plus {
        a: u8,
        b: u8,
    },
    Not {
        a: u8,
        b: u8,
    },
    /// Plain truth as a bool.
    Truth {
        a: u8,
        b: u8,
    },
    /// `c` is a [`Compare`].
    Compare {
        a: u8,
        b: u8,
        c: u8,
        how: Compare,
    },
    // ------------------------------------------------------------------------------ jumps (backwards ones charge a step)
    Jump {
        to: u32,
    },
    /// Plain truth.
    JumpIf {
        a: u8,
        to: u32,
    },
    JumpIfNot {
        a: u8,
        to: u32,
    },
    /// Fuzzy truth.
    JumpCond {
        a: u8,
        to: u32,
    },
    JumpCondNot {
        a: u8,
        to: u32,
    },
    JumpSet {
        a: u8,
        to: u32,
    },
    /// Jumps when the comparison is `sense`.
    JumpLess {
        sense: bool,
        b: u8,
        c: u8,
        to: u32,
    },
    JumpLessEqual {
        sense: bool,
        b: u8,
        c: u8,
        to: u32,
    },
    JumpGreater {
        sense: bool,
        b: u8,
        c: u8,
        to: u32,
    },
    JumpGreaterEqual {
        sense: bool,
        b: u8,
        c: u8,
        to: u32,
    },
    JumpEqual {
        sense: bool,
        b: u8,
        c: u8,
        to: u32,
    },
    JumpLessInt {
        sense: bool,
        b: u8,
        i: i8,
        to: u32,
    },
    JumpLessEqualInt {
        sense: bool,
        b: u8,
        i: i8,
        to: u32,
    },
    JumpGreaterInt {
        sense: bool,
        b: u8,
        i: i8,
        to: u32,
    },
    JumpGreaterEqualInt {
        sense: bool,
        b: u8,
        i: i8,
        to: u32,
    },
    JumpEqualInt {
        sense: bool,
        b: u8,
        i: i8,
        to: u32,
    },
    // ------------------------------------------------------------------------------ iteration
    /// `a`, `a+1`, `a+2` are start, stop, step; `b` of them were written.
    RangeStart {
        a: u8,
        b: u8,
    },
    /// The next number into `a`, or fall through. `b` is the range's first register.
    RangeNext {
        a: u8,
        b: u8,
        to: u32,
    },
    /// A cursor over `b` in `a` and `a+1`.
    IterStart {
        a: u8,
        b: u8,
    },
    /// The next element into `a`, or fall through.
    IterNext {
        a: u8,
        b: u8,
        to: u32,
    },
    /// Unpacks `b` into `c` registers from `a`.
    Unpack {
        a: u8,
        b: u8,
        c: u8,
    },
    /// The same for a comprehension: what does not fit goes whole into the first.
    UnpackLoose {
        a: u8,
        b: u8,
        c: u8,
    },
    // ------------------------------------------------------------------------------ containers
    List {
        a: u8,
        b: u8,
        c: u8,
    },
    Tuple {
        a: u8,
        b: u8,
        c: u8,
    },
    Set {
        a: u8,
        b: u8,
        c: u8,
    },
    Dict {
        a: u8,
        b: u8,
        c: u8,
    },
    /// A dict of the shape's keys and `c` values from `b`.
    Shaped {
        a: u8,
        b: u8,
        c: u8,
        shape: u32,
    },
    /// Appends `c` registers from `b`.
    Push {
        a: u8,
        b: u8,
        c: u8,
    },
    SetAdd {
        a: u8,
        b: u8,
        c: u8,
    },
    DictPut {
        a: u8,
        b: u8,
        c: u8,
    },
    ToTuple {
        a: u8,
    },
    /// `a.append(b)` when `a` is a list, and jumps; else falls through.
    Append {
        a: u8,
        b: u8,
        to: u32,
    },
    Index {
        a: u8,
        b: u8,
        c: u8,
    },
    IndexInt {
        a: u8,
        b: u8,
        i: i32,
    },
    SetIndex {
        a: u8,
        b: u8,
        c: u8,
    },
    /// Bounds in `c`, `c+1`, `c+2`.
    Slice {
        a: u8,
        b: u8,
        c: u8,
    },
    SetSlice {
        a: u8,
        b: u8,
        c: u8,
    },
    Attr {
        a: u8,
        b: u8,
        site: u32,
    },
    SetAttr {
        a: u8,
        b: u8,
        site: u32,
    },
    // ------------------------------------------------------------------------------ text
    /// Joins the printed forms of `c` registers from `b` with the texts of the template around them.
    Join {
        a: u8,
        b: u8,
        c: u8,
        template: u32,
    },
    /// `format(b, c)`; `how` is the conversion, `c` the register of the specification.
    Format {
        a: u8,
        b: u8,
        c: u8,
        how: Convert,
    },
    // ------------------------------------------------------------------------------ calls
    /// Arguments from `b`.
    CallGlobal {
        a: u8,
        b: u8,
        c: u8,
        slot: u32,
    },
    /// The function in `b`, arguments after it.
    Call {
        a: u8,
        b: u8,
        c: u8,
        site: u32,
    },
    /// A builtin; arguments from `b`.
    CallNative {
        a: u8,
        b: u8,
        c: u8,
        site: u32,
    },
    /// Calls the Dana function in a variable of the module with the `c` arguments after register `b`, and skips the two
    /// instructions that follow: they load whatever else the variable is into `b`, and call it.
    CallStage {
        a: u8,
        b: u8,
        c: u8,
        slot: u32,
    },
    /// The receiver in `b`, arguments after it.
    Method {
        a: u8,
        b: u8,
        c: u8,
        site: u32,
    },
    /// The next native call is the value of a typed assignment.
    Expect {
        note: u32,
    },
    Return {
        a: u8,
    },
    // ------------------------------------------------------------------------------ errors
    Raise {
        a: u8,
    },
    RaiseFrom {
        a: u8,
        b: u8,
    },
    /// Raises the error in `a` as it is.
    Reraise {
        a: u8,
    },
    ReraiseNothing,
    /// `a` has the message, `b` which of the code's assertions it is.
    AssertFailed {
        a: u8,
        b: u8,
    },
    /// Jumps when the error in `a` is none of the kinds.
    JumpUnlessKind {
        a: u8,
        kinds: u16,
        to: u32,
    },
    /// Raises an error known when compiling; the constant is its message.
    Fail {
        kind: Failure,
        k: u32,
    },
    /// The name of an error's kind, as a text.
    KindOf {
        a: u8,
        b: u8,
    },
    // ------------------------------------------------------------------------------ definitions
    /// Defaults from `b`.
    Function {
        a: u8,
        b: u8,
        at: u32,
    },
    Struct {
        a: u8,
        b: u8,
        at: u32,
    },
    /// Registers `b` as a method.
    DefineMethod {
        b: u8,
        at: u32,
    },
    Coerce {
        a: u8,
        note: u32,
    },
    /// Waits for `a` if it is a promise.
    Observe {
        a: u8,
    },
    // ------------------------------------------------------------------------------ modules
    Import {
        a: u8,
        site: u32,
    },
    ImportName {
        a: u8,
        b: u8,
        k: u32,
    },
    ImportStar {
        b: u8,
    },
}

const _: () = assert!(size_of::<Op>() == 8);

#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    In,
    NotIn,
    Is,
    IsNot,
}

#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convert {
    None,
    Str,
    Repr,
    Ascii,
}

/// The kinds of [`Op::Fail`].
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Value,
    Sandbox,
}
