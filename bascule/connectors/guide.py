"""The README of `docs/contract/`: what a firm that implements an agent must know, with the tables taken from the contract."""

from __future__ import annotations

from bascule.connectors.contract import ERRORS, VERBS, VERSION, Verb
from bascule.model import ErrorClass, Kind, System

SYSTEMS = {System.MY_SAGE: "My Sage", System.GE: "GE", System.S4A: "S4A"}

ON_REPETITION = {
    Kind.REPEATABLE: "Doing it twice is doing it once: where the effect holds already, change nothing and answer `succeeded`.",
    Kind.ONCE: (
        "Doing it twice would do it twice. Where the key was seen before, answer with the first operation and act no second time. "
        "Bascule does not rely on it: it reads back before it asks again, and then asks under another key."
    ),
    Kind.HUMAN: (
        "A person decides or does it. An agent normally leaves it to people and answers `unknown-verb`. "
        "One that does carry it out treats its key as a write of kind *once* does."
    ),
}

ON_ERROR = {
    ErrorClass.TRANSIENT: "Reads back what was done, then tries again: longer and longer apart, and not for ever.",
    ErrorClass.THROTTLED: "Sends this system nothing until Retry-After is over, then tries again.",
    ErrorClass.AUTH: "`unauthorised`: fetches one new token and asks once more. Then, and for all others: stops the step; a person mends the access.",
    ErrorClass.RIGHTS: "Never tries again by itself: the cabinet is *blocked* until the rights are mended.",
    ErrorClass.DATA: "Never tries again by itself: the cabinet is *blocked* until the data are mended.",
    ErrorClass.CONFIG: "Stops the step: somebody set up something wrongly.",
    ErrorClass.HUMAN: "Waits for a person.",
    ErrorClass.EXTERNAL: "Stops the step: somebody else is at work, or something outside was cut.",
    ErrorClass.BUG: "Stops the step: Bascule asked what it should not have asked, a defect to report.",
    ErrorClass.UNKNOWN: "Stops the step; a person looks.",
}


def on_repetition(kind: Kind) -> str:
    return ON_REPETITION.get(kind, "It changes nothing.")


def guide() -> str:
    return GUIDE.format(
        version=VERSION,
        verbs="\n".join(map(_verb_row, VERBS)),
        kinds="\n".join(f"- *{kind}*: {rule}" for kind, rule in ON_REPETITION.items()),
        errors="\n".join(
            f"| `{error.code}` | {error.status} | {error.error_class} | {'in doubt' if error.may_have_acted else 'no'} | {error.meaning} |"
            for error in ERRORS
        ),
        classes="\n".join(f"| {name} | {policy} |" for name, policy in ON_ERROR.items()),
    )


def _verb_row(verb: Verb) -> str:
    refuses = ", ".join(f"`{code}`" for code in verb.refuses) or "–"
    kind = f"{verb.kind}, long" if verb.long else verb.kind.value
    return f"| `{verb.name}` | {SYSTEMS[verb.system]} | {kind} | {verb.summary} | {refuses} |"


GUIDE = """\
<!-- Generated from bascule/connectors/guide.py and contract.py: `make fix` writes it, `make check` compares it. -->

# Bascule's contract for agents, version {version}

Bascule moves accounting firms (*cabinets*) from Sage Génération Experts (**GE**) to Sage for Accountants (**S4A**). Where a
cabinet's integrator runs an **agent**, a program that reads GE, My Sage or S4A and acts on them for the cabinet, Bascule
speaks to it over HTTP, as these documents say:

- [my-sage.openapi.json](my-sage.openapi.json): who is AdminSage, the activation key
- [ge.openapi.json](ge.openapi.json): the source, its wizard, its lists, the synchronisation
- [s4a.openapi.json](s4a.openapi.json): the sign-up, the target's lists, users
- [promises.md](promises.md): what an agent promises, by numbers; `bascule agent check` tries each

**The contract is ours, not Sage's.** Sage publishes no interface for this migration. Nothing here describes, wraps or
promises one; how an agent does what is asked is its own affair. `bascule sandbox` serves all three, so that an agent can be
compared with something that runs. [Write an agent](../how-to/write-an-agent.md) begins with one that keeps every promise. An agent may
answer for one system only.

## What is asked of an agent

**Each system has a base URL**, such as `https://agent.example/ge`, and TLS. Redirects are not followed: a token does not
travel to where they lead. Bodies are JSON in UTF-8, instants ISO 8601 with their offset, words exactly as listed. A field,
word or code that the documents do not list is not guessed: Bascule stops the step and names it. An answer has at most 64 MiB.

**Tokens.** `POST /token` with `grant_type=client_credentials`, `client_id` and, where agreed, `client_secret`, as a form.
The answer names a bearer token and its life in seconds. Bascule fetches one for all its calls, a new one shortly before the
end or after one `unauthorised`; a second `unauthorised` in a row stops the step. `GET /health` needs no token.

**Reads** change nothing. `GET /cabinets/{{code}}` is cheap and asked often; `GET /cabinets/{{code}}/lists` is one consistent
snapshot: what it holds was true together, at `taken_at`. Send it compressed where gzip is accepted.

**Writes** are `POST /cabinets/{{code}}/<verb>` with two headers:

- `Idempotency-Key` is the key of Bascule's *intent*: another for each intent, the same when one request is sent again.
- `Bascule-Fence` is the number of the lease under which one Bascule process runs this cabinet. Keep the highest number seen
  for each cabinet, durably, and answer `stale-fence` to a lower one: it comes from a process that was taken over and does
  not know it yet. An equal one is right.

The answer is an *operation*: 200 when it is over, 202 when it goes on.

| status | means |
|---|---|
| `accepted` | received; nothing is done yet |
| `running` | it goes on; `progress` from 0 to 1, `phase` in words |
| `succeeded` | it is done, all of it |
| `not-begun` | **proven undone**: nothing was changed, or everything was put back. Bascule may ask again |
| `interrupted` | it began and stopped midway. A person finds out how much was done |

**Find by key.** `GET /cabinets/{{code}}/operations?key=K`, with the header `Bascule-Fence`, lists *every* operation received under K, **from the moment the
request was received**: before it commits, when its answer was lost, when its commit is late. This is what lets Bascule tell
*lost on the way in* (no operation: it may ask again) from *lost on the way out* (an operation: it may not). So write the
operation down durably before acting, as `accepted`, and never list none for a key whose request may still commit. Whoever
asks has taken the cabinet over, perhaps from a process that still lives: keep its number, as for a write, before you
answer, so that what that process sends later is refused. A lower one is answered, and changes nothing. Keep operations for at
least 90 days.

**Late commits.** Bascule stops waiting after a time of its own; the request may still commit. It then reads back, and asks
again only when an operation found under the key is `not-begun`, or none was ever received. If an agent gives a request up,
it makes sure that it cannot commit any more, and then says `not-begun`.

## The writes

| verb | system | kind | what it does | may be refused with |
|---|---|---|---|---|
{verbs}

The kind says what repeating it does:

{kinds}

Before it writes, Bascule reads whether the effect holds already, and after it, whether it does now: the answer to a write is
never taken for its proof. Bank data, activation keys and passwords are in no payload and no answer.

## Errors

An error is a body `{{"errors": [{{"code": "…", "message": "…", "details": {{}}}}]}}` with the status below. Bascule also
understands it in a 200 body. `message` is shown to people: no personal data beyond what they need. `Retry-After` goes with
429 and 503, in seconds or as an HTTP date. *Acted?* says whether a write that ended so may have had an effect.

| code | status | class | acted? | meaning |
|---|---|---|---|---|
{errors}

What Bascule does depends on the class only:

| class | what Bascule does |
|---|---|
{classes}

An answer that is not of this contract (a web page, an empty body, a cut connection) counts as *in doubt* for a write, unless
its status is 401, 403 or 429.

## Versions

`/health` names the version. Whatever makes an agent or Bascule that was right before wrong, and each new field or word,
since both sides refuse what they do not know, makes a new version; `bascule doctor` says where versions differ. Descriptions
may become clearer within a version.
"""
