"""The README of `docs/contract/`: what a firm that implements an agent must know, with the tables taken from the contract."""

from __future__ import annotations

from bascule.connectors.contract import ERRORS, VERBS, VERSION, Verb
from bascule.model import ErrorClass, Kind, System

SYSTEMS = {system: system.display_name for system in System}

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

**Every request has a name.** It comes with `Bascule-Request`, another for each request that is sent, also when a call is
repeated; every answer but those of `/token` and `/health` echoes it, errors included. A proxy or an agent that sends an
answer twice, late or crossed would otherwise give one cabinet's answer to another. Facts, lists and operations also name
their cabinet. What names another request or cabinet, or none, says nothing: Bascule closes the connection, reads again, and
takes a write that met it for *in doubt*. Nothing may follow an answer on its connection but the answer to the next request.

**Tokens.** `POST /token` with `grant_type=client_credentials`, `client_id` and, where agreed, `client_secret`, as a form.
The answer is RFC 6749's: a bearer token (`token_type` in any case) of visible ASCII, and best its life in seconds (left out:
300); what else it holds is ignored. Bascule fetches one for all its calls, a new one shortly before the end or after an
`unauthorised`; a token that was fetched since and is refused too stops the step. `GET /health` needs no token.

**Patience.** A `Retry-After` holds back Bascule's ordinary work at the whole system, for an hour at most. What users or a running
operation wait for (`reopen`, what is read of a cabinet whose users are kept out, operations, find by key) is held back by what is
said of that very request only. No lock-out begins while a pause would outlast what users can be kept waiting for. A read that is
answered by a web page, by part of a body or by nothing is asked once more, and then retried like any failure that may pass.

**Reads** change nothing. `GET /cabinets/{{code}}` is cheap and asked often; `GET /cabinets/{{code}}/lists` is one consistent
snapshot. Both hold what was true together, at `taken_at`. Send lists compressed where gzip is accepted, once and not twice.

**Every instant is one of the system's own clock.** `taken_at` is when all of it was *read from the system*, never when it was
sent. Every other instant of the answer lies before it. What Bascule proves by a snapshot, it proves by these instants: the
source's lists are those of the lock-out where their `taken_at` is not before `locked_out_at`; the target's are those of the
synchronisation where theirs is not before `synchronised_at`. Within one system nothing is tolerated; between its clock and
Bascule's, 5 minutes are (`/health` is compared, too). An instant that cannot be makes the whole answer unbelievable.

**Caching.** Facts are never cached. Lists may be: an agent may give them an `ETag`, and answer a request with that
`If-None-Match` by 304 without a body, *after it has read them anew*, with `Bascule-Taken-At`: the instant of that reading. Asked
with an `ETag` that it did not give, it answers in full. An agent that answers from a cache without having read leaves
`taken_at` where it was; Bascule then asks again later. (Bascule itself does not send `If-None-Match` yet; others may.)

**Null, empty and unknown.** Null means *not set*, an empty list means *there is none*. What an agent cannot tell of the
target's lists it names in `unknown`, and leaves empty or null: then it is not compared, and the cabinet's procès-verbal says so. There is no other way
not to know.

**Codes and labels.** GE knows a profile or a dossier group by its code, people by its label. Wherever one is *named* (the
defaults, in facts, lists and payloads) either will do: it is the one of that code, else the only one of that label, within
the connected entity. Where one is *referred to* by a row (`group`, `profile`, `entity`, `collaborateur`) it is the code.

**What goes along.** Every dossier group, every dossier whatever its status, every collaborateur, active or not, and every
right on a group. Contacts do not: those of either side stay where they are. Roles are named as Client Management shows them
in the cabinet's language. A `client` is named by its dossier's code, else by its name.

**What counts as the same.** Codes: letter by letter, Unicode's composed and decomposed letters apart (NFC and NFD are one).
Labels and names: also whatever blanks stand around and between the words (no-break spaces are blanks). E-mails: also whatever
their case. Upper and lower case, accents, apostrophes and dashes of a name are differences, unless a wave tolerates them.

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

**A key belongs to one cabinet of one system**, whatever the write. A write that is refused with one of its own codes leaves an
operation `not-begun` with that code, findable by its key. What is turned away before it is taken up (401, 403, 404, 422 `invalid`,
429, `stale-fence`) leaves none. The form is judged before the cabinet's state: a field that is not listed, a body that is no JSON, a
missing key or fence is `invalid`, whatever the write. What is read after a write that was answered is not older than it.

**Late commits.** Bascule stops waiting after a time of its own; the request may still commit. It then reads back, and asks
again only when an operation found under the key is `not-begun`, or none was ever received. If an agent gives a request up,
it makes sure that it cannot commit any more, and then says `not-begun`.

## The writes

| verb | system | kind | what it does | may be refused with |
|---|---|---|---|---|
{verbs}

The kind says what repeating it does:

{kinds}

`synchronise` begins with GE's own consistency check, whose catalogue Sage does not publish. Bascule judges GE's lists beforehand
by a [catalogue of its own](../consistency.md), and does not lock anybody out where a rule that blocks is broken.

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

An answer that is not of this contract (a web page, an empty body, a cut connection, an answer that does not echo its request)
counts as *in doubt* for a write, whatever its status. A read that meets one is asked again.

## What Bascule does with time

| what | seconds |
|---|---|
| waits for a connection | 5 |
| waits for an answer: facts, operations, token, health | 30 |
| waits for lists | 120 |
| waits for a write; the setting `pace.act_timeout` | 30 |
| waits after a silence before it believes that a request never arrived; `pace.settle` | 30 |
| looks at a long operation every; `pace.poll` | 5 |
| keeps an unused connection | 4 |
| obeys a `Retry-After` of at most | 3,600 |
| takes a new token before the end of the old one | 30, or a tenth of its life if that is less |

It opens at most as many connections to a system as the setting of that system says (20 where nothing is set). A token is
shared by all its cabinets.

## What Bascule cannot detect

Bascule believes what an agent says as long as nothing contradicts it. No reader can see:

- an agent that stamps *now* on a cache: lists of before, with an instant of now. Only content that is exactly what it was before the synchronisation gives it away.
- an agent that lies consistently, on all its views and at all times, or that reads another installation than the cabinet's.
- rows that an agent leaves out of both the source's and the target's lists.
- a clock that is wrong by less than five minutes against ours, as long as it is wrong for every instant of its system.
- a file whose own dates and modification time were all set to another instant; a person who answers what did not happen, and a second who approves it.

So each proof names what it rests on, in the procès-verbal and in `report.json`: the agent of a system, lists that were exported (and of when), or the answer of a named person.

## Versions

| version | |
|---|---|
| 2 | The first to be released. Answers echo `Bascule-Request` and name their `cabinet`; facts say `taken_at`; `unknown` is a list of words, with the two defaults among them; null is *not set*; `awaited` is no word of an agent's; lists may have an `ETag`; key scope, time, sameness and what goes along are written down. |
| 1 | Never released. |

`/health` names the version. Whatever makes an agent or Bascule that was right before wrong, and each new field or word,
since both sides refuse what they do not know, makes a new version; `bascule doctor` says where versions differ. Descriptions
may become clearer within a version.
"""
