"""The other side of the comparison: runs Python spellings of Dana programs, by Dana's rule where it has one.

Reads programs from standard input, each a decimal length, a line end and the bytes. Writes fields of the
same form: first the minor version of this Python; then for every program what it printed, the kind of the
error that ended it (empty: none; `!`: nothing to compare) and, if there is one, its message.
"""

import contextlib
import io
import math
import re
import resource
import signal
import sys
import warnings

LOCALS = re.compile(r"\b\w+\.<locals>\.")
UNBOUND = re.compile(r"variable ('\w+')")
BITS = 20_000
LENGTH = 20_000
TURNS = 3_000


class Skip(BaseException):
    """The program leaves the common subset, or does too much."""


class SandboxError(Exception):
    """What an operator says to operands of unsuitable types (section 13)."""


class Told(str):
    """The message of a `KeyError` as it is, not quoted as a key."""

    __slots__ = ()
    __repr__ = str.__str__


class State:
    """Of one program."""

    turns = 0
    skipped = ""


def skip(why):
    # Kept, because a `finally` may hide the exception.
    State.skipped = State.skipped or why
    raise Skip(why)


def work():
    State.turns += 1
    if State.turns > TURNS:
        skip("too much work")


def is_number(value):
    return isinstance(value, (int, float))


def printed(value):
    """As `+` puts a number beside a text (section 4.3)."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def sized(value):
    return isinstance(value, (str, list, tuple))


def binary(operator, a, b):
    work()
    texts = isinstance(a, str), isinstance(b, str)
    if operator == "+" and texts in ((True, False), (False, True)) and is_number(b if texts[0] else a):
        return printed(a) + printed(b)
    bound(operator, a, b)
    if isinstance(a, set) and isinstance(b, set) and operator != "-":
        refuse(operator, a, b)
    formats = False
    try:
        match operator:
            case "+":
                result = a + b
            case "-":
                result = a - b
            case "*":
                result = a * b
            case "/":
                result = a / b
            case "//":
                result = a // b
            case "%" if isinstance(a, str):
                formats = True
                result = a % b
            case "%":
                result = a % b
            case "**":
                broken = isinstance(b, float) and is_number(a) and math.isfinite(b) and b % 1
                if broken and -math.inf < float(a) < 0:
                    # There are no complex numbers in Dana.
                    raise ValueError("a negative number cannot be raised to a fractional power")
                result = a**b
    except TypeError:
        if formats:
            raise
        refuse(operator, a, b)
    return result


def bound(operator, a, b):
    """Stops what would grow without bound."""
    if operator == "*":
        if isinstance(a, int) and isinstance(b, int) and a.bit_length() + b.bit_length() > BITS:
            skip("a large number")
        for x, n in ((a, b), (b, a)):
            if sized(x) and isinstance(n, int) and (len(x) * n > LENGTH or abs(n) >= 2**63):
                skip("a long repetition")
    if operator == "**" and isinstance(a, int) and isinstance(b, int) and b > 0 and a.bit_length() * b > BITS:
        skip("a large power")
    if operator == "+" and sized(a) and sized(b) and len(a) + len(b) > LENGTH:
        skip("a long value")


def refuse(operator, a, b):
    kinds = type(a).__name__, type(b).__name__
    raise SandboxError(f"unsupported operand type(s) for {operator}: '{kinds[0]}' and '{kinds[1]}'") from None


def unary(operator, a):
    try:
        return -a if operator == "-" else +a
    except TypeError:
        raise SandboxError(f"bad operand type for unary {operator}: '{type(a).__name__}'") from None


def read_as(text, other):
    """A text beside a number is read as one when it can be (section 4.3)."""
    if isinstance(other, bool):
        skip("a text compared with a bool is read as an answer")
    try:
        return int(text) if isinstance(other, int) else float(text)
    except ValueError:
        return text


def compare(operator, a, b):
    work()
    if operator in ("in", "not in"):
        found = a in b
        return found if operator == "in" else not found
    if isinstance(a, str) and is_number(b):
        a = read_as(a, b)
    elif isinstance(b, str) and is_number(a):
        b = read_as(b, a)
    try:
        match operator:
            case "==":
                return a == b
            case "!=":
                return a != b
            case "<":
                return a < b
            case "<=":
                return a <= b
            case ">":
                return a > b
            case ">=":
                return a >= b
    except TypeError as e:
        raise SandboxError(str(e)) from None


def name_of(value):
    name = type(value).__name__
    return "NameError" if name == "UnboundLocalError" else name


def item(value, index):
    """Messages of section 5."""
    work()
    try:
        return value[index]
    except IndexError:
        outside(value, index)
    except KeyError:
        keys = ", ".join([*map(repr, list(value)[:5]), *["..."] * (len(value) > 5)])
        rest = f"available keys: {keys}" if keys else "the dict is empty"
        raise KeyError(Told(f"key {index!r} not found; {rest}")) from None
    except TypeError:
        no_index(value, index)
        raise


def no_index(value, index):
    if isinstance(value, (str, list, tuple, range)) and not isinstance(index, int):
        raise TypeError(f"{name_of(value)} indices must be integers, not {name_of(index)}") from None


def outside(value, index):
    raise IndexError(f"index {index} is out of range for {name_of(value)} of length {len(value)}") from None


def slice_of(value, start, stop, step):
    """A slice that begins or ends behind the sequence is an error (section 5)."""
    work()
    if not isinstance(value, (str, list, tuple, range)):
        skip("a slice of something else")
    length, kind = len(value), name_of(value)
    for bound in (start, stop, step):
        if bound is not None and not isinstance(bound, int):
            raise TypeError(f"slice indices must be integers or None, not {name_of(bound)}")
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if start is not None and start >= length:
        raise ValueError(f"slice start {start} is out of range for {kind} of length {length}")
    if stop is not None and stop > length:
        raise ValueError(f"slice stop {stop} is out of range for {kind} of length {length}")
    if None not in (start, stop, step) and step < 0 and start <= stop and -1 not in (start, stop):
        need = f"needs its start ({start}) beyond its stop ({stop})"
        raise ValueError(f"slice with the negative step {step} {need}")
    return value[start:stop:step]


def set_slice(items, value, start, stop, step):
    work()
    if isinstance(value, dict):
        # Since Python 3.12 a slice can be a key.
        raise TypeError("unhashable type: 'slice'")
    value[start:stop:step] = items


def set_item(new, value, index):
    work()
    if not isinstance(value, (list, dict)):
        # Some of CPython's types look at the index first.
        raise TypeError(f"'{name_of(value)}' object does not support item assignment")
    try:
        value[index] = new
    except IndexError:
        outside(value, index)
    except TypeError:
        if isinstance(value, list):
            no_index(value, index)
        raise


def augment(operator, a, b):
    work()
    bound(operator, a, b)
    try:
        match operator:
            case "+":
                a += b
            case "-":
                a -= b
            case "*":
                a *= b
            case "/":
                a /= b
    except TypeError:
        refuse(operator, a, b)
    return a


def augment_item(operator, value, index, operand):
    old = item(value, index)
    set_item(augment(operator, old, operand()), value, index)


def condition(value):
    """Conditions read texts as answers."""
    work()
    if isinstance(value, str):
        skip("a text as condition")
    return bool(value)


def loop(values):
    for value in values:
        work()
        yield value


def method(receiver, name, *arguments, **named):
    work()
    if isinstance(receiver, set) and name == "pop":
        skip("which element is not said")
    if name in ("center", "ljust", "rjust", "zfill", "expandtabs"):
        for argument in (*arguments, *named.values()):
            if isinstance(argument, int) and abs(argument) > 10**4:
                skip("a long text")
    if name == "is_integer" and isinstance(receiver, int) and not arguments and not named:
        # New in Python 3.12.
        return True
    if name == "is_integer" and isinstance(receiver, int) and sys.version_info < (3, 12):
        skip("a new method")
    if name == "pop" and receiver == {} and arguments:
        # An empty dict of CPython does not look at the key.
        hash(arguments[0])
    if name == "format" and isinstance(receiver, str):
        since_3_11(receiver)
    if name == "splitlines" and isinstance(receiver, str):
        arguments = *map(bool, arguments[:1]), *arguments[1:]
    for flag in {"reverse", "keepends"} & named.keys():
        # Since Python 3.12 anything will do.
        named[flag] = bool(named[flag])
    if not hasattr(receiver, name):
        raise AttributeError(f"'{name_of(receiver)}' object has no method '{name}'")
    return getattr(receiver, name)(*arguments, **named)


def since_3_11(spec):
    if "z" in spec and sys.version_info < (3, 11):
        skip("a new format")


def hole(value, conversion, spec):
    work()
    since_3_11(spec)
    if conversion is not None:
        value = {"r": repr, "s": str, "a": ascii}[conversion](value)
    return format(value, spec)


def show(value):
    if not isinstance(value, float) and "nan" in repr(value):
        # Python tells apart two that are not the same object.
        skip("not a number in a collection")
    print(f"\x01V{name_of(value)}\x02{value!r}\x02{value}\x02", end="")


def tell(error):
    kind = name_of(error)
    print(f"\x01E{kind}\x02{message_of(error)}\x02", end="")


def message_of(error):
    match error:
        case OverflowError(args=(34, _)):
            # The C library's words, as a pair.
            return "numerical result out of range"
        case NameError() if unbound := UNBOUND.search(str(error)):
            return f"name {unbound[1]} is not defined"
    # As Python 3.12 says it. Functions are called by their plain names.
    return LOCALS.sub("", str(error)).replace("() arg is an empty sequence", "() iterable argument is empty")


def key_error(*arguments):
    """A program's own: its message is the text."""
    return KeyError(*map(Told, arguments))


def largest(pick):
    def call(*values, **named):
        work()
        if len(named) > 2:
            skip("which complaint comes first")
        if (
            len(values) == 1
            and not named.keys() - {"key", "default"}
            and (isinstance(values[0], str) or not hasattr(values[0], "__iter__"))
        ):
            # A single value that is no collection is the answer (section 11).
            return values[0]
        return pick(*values, **named)

    return call


def truth(*arguments, **named):
    if arguments and isinstance(arguments[0], str):
        skip("bool() reads a text as an answer")
    return bool(*arguments, **named)


def bounded_range(*arguments):
    if any(isinstance(argument, int) and not -(2**63) <= argument < 2**63 for argument in arguments):
        skip("the bounds of a range have 64 bits")
    return range(*arguments)


def text_of(*arguments, **named):
    if len(arguments) > 1 or named:
        skip("Python decodes bytes here")
    return str(*arguments)


def defined(read):
    """Dana looks at the right side first; that shows when the variable is not there."""
    try:
        return read()
    except NameError:
        skip("nothing to change")


def at_once(pick):
    """Dana's `map` and `filter` call the function for every element before they return."""
    return lambda *arguments: iter(list(pick(*arguments)))


def in_order(*arguments, **named):
    work()
    if arguments and isinstance(arguments[0], set) and {*map(str, arguments[0])} & {"nan"}:
        skip("not a number has no place in an order")
    if "reverse" in named:
        # Since Python 3.12 anything will do.
        named["reverse"] = bool(named["reverse"])
    return sorted(*arguments, **named)


def total(*arguments, **named):
    """`sum` as it is since Python 3.12: floats are compensated."""
    elements = arguments[0] if arguments and isinstance(arguments[0], set) else ()
    if any(isinstance(element, float) for element in elements):
        skip("rounding depends on the order")
    if sys.version_info >= (3, 12) or not 0 < len(arguments) < 3 or named.keys() - {"start"}:
        return sum(*arguments, **named)
    values, *rest = arguments
    values = list(values)
    start = (*rest, *named.values(), 0)[0]
    if len(rest) + len(named) > 1 or not any(isinstance(value, float) for value in values):
        return sum(values, *rest, **named)
    result, lost, floats = start, 0.0, False
    for value in values:
        floats = isinstance(result, float)
        if floats and isinstance(value, float):
            following = result + value
            lost += (
                (result - following) + value if abs(result) >= abs(value) else (value - following) + result
            )
            result = following
        elif floats and isinstance(value, int):
            result += float(value)
        else:
            result, lost = result + lost if floats and lost else result, 0.0
            result = sum([value], result)
    return result + lost if isinstance(result, float) and lost and math.isfinite(lost) else result


HELPERS = {
    "_binary": binary,
    "_unary": unary,
    "_compare": compare,
    "_item": item,
    "_slice": slice_of,
    "_set_slice": set_slice,
    "_set_item": set_item,
    "_augment": augment,
    "_augment_item": augment_item,
    "_condition": condition,
    "_loop": loop,
    "_method": method,
    "_hole": hole,
    "_show": show,
    "_tell": tell,
    "range": bounded_range,
    "_defined": defined,
    "map": at_once(map),
    "filter": at_once(filter),
    "sorted": in_order,
    "str": text_of,
    "_key_error": key_error,
    "SandboxError": SandboxError,
    "bool": truth,
    "sum": total,
    "max": largest(max),
    "min": largest(min),
}


def run(source):
    """What the program printed, and how it ended."""
    State.turns, State.skipped = 0, ""
    output = io.StringIO()
    ended = [""]
    try:
        with contextlib.redirect_stdout(output), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, "<program>", "exec"), dict(HELPERS))
    except Skip as e:
        ended = ["!", str(e)]
    except (MemoryError, RecursionError, SyntaxError) as e:
        ended = ["!", repr(e)]
    except Exception as e:
        ended = [name_of(e), message_of(e)]
    if State.skipped:
        ended = ["!", State.skipped]
    text = output.getvalue()
    try:
        text.encode()
        ended[-1].encode()
    except UnicodeEncodeError:
        # Dana has no surrogates.
        return ["", "!", "a surrogate"]
    return [text, *ended]


def alarm(_number, _frame):
    skip("too slow")


def main():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    signal.signal(signal.SIGALRM, alarm)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    put(sink, [str(sys.version_info.minor)])
    while length := source.readline():
        program = source.read(int(length)).decode()
        signal.setitimer(signal.ITIMER_REAL, 5)
        fields = run(program)
        signal.setitimer(signal.ITIMER_REAL, 0)
        put(sink, fields)


def put(sink, fields):
    for field in fields:
        data = field.encode()
        sink.write(b"%d\n" % len(data))
        sink.write(data)
    sink.flush()


main()
