"""Every setting, parsed once. A misspelt key, variable or file is an error, never a default."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from bascule.checks.sameness import Tolerated
from bascule.errors import BasculeError
from bascule.inventory import rules
from bascule.model import System
from bascule.tables.problems import Broken

if TYPE_CHECKING:
    from bascule.waves.sizes import Sizes

ENVIRONMENTS = Path(__file__).parent / "environments"
DEFAULT_ENVIRONMENT = "sandbox"
PREFIX = "BASCULE_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OUTSIDE = frozenset({"BASCULE_ENVIRONMENT", "BASCULE_ROOT", "BASCULE_TEST_POSTGRESQL_URL"})
"""Variables of ours that are no setting: which environment; where the deployments run; what the tests are told."""

KEPT_FROM_VARIABLES = {
    "PREFECT_API_URL": "set prefect.url",
    "PREFECT_API_AUTH_STRING": "set prefect.auth, and keep the secret out of files",
    "PREFECT_API_KEY": "set prefect.auth, and keep the secret out of files",
    "PREFECT_SERVER_API_AUTH_STRING": "Bascule draws it",
    "PREFECT_SERVER_API_HOST": "Bascule's own server is for this machine only",
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "it stays on",
    "PREFECT_HOME": "set prefect_home",
    "PREFECT_PROFILES_PATH": "set prefect_home",
}
"""Variables of Prefect that have a setting of their own, or that keep others out."""


class SettingsRefused(BasculeError):
    """The settings are not right."""


def _secret_reference(value: str) -> str:
    kind, _, name = value.partition(":")
    if kind not in ("env", "prefect") or not name:
        # Never shows the value: it may be the secret itself.
        raise ValueError(
            "is no reference to a secret; write env:NAME or prefect:BLOCK, and keep the secret out of files"
        )
    return value


def _names(value: object) -> object:
    """A variable may list them with commas, as well as in JSON."""
    if not isinstance(value, str):
        return value
    return (
        json.loads(value)
        if value.lstrip().startswith("[")
        else [name.strip() for name in value.split(",") if name.strip()]
    )


def _connector(value: str) -> str:
    try:
        return rules.connector(value)
    except Broken as broken:
        raise ValueError(f"{broken.rule}. {broken.fix}") from None


def _address(value: str) -> str:
    try:
        return rules.email(value)
    except Broken as broken:
        raise ValueError(f"{value!r} {broken.rule}") from None


def _zone(value: str) -> str:
    try:
        return rules.timezone(value)
    except Broken as broken:
        raise ValueError(f"{value!r} {broken.rule}. {broken.fix}") from None


def _clock(value: object) -> object:
    if isinstance(value, dt.time) or (isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value)):
        return value
    raise ValueError('is no time of day; write it as "21:00"')


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Connector = Annotated[str, AfterValidator(_connector)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
SecretReference = Annotated[str, AfterValidator(_secret_reference)]
Address = Annotated[str, AfterValidator(_address)]
Zone = Annotated[str, AfterValidator(_zone)]
ClockTime = Annotated[dt.time, BeforeValidator(_clock)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemSettings(Part):
    """How one of the three systems is reached."""

    connector: Connector | None = Field(
        None, description="http, operator, extracts, or who acts + who reads, such as operator+extracts"
    )
    url: str | None = Field(None, description="where the http agent answers")
    client_id: str = Field("bascule", description="who Bascule is to the agent")
    client_secret: SecretReference | None = Field(None, description="env:NAME or prefect:BLOCK; none for the sandbox")
    connections: PositiveInt = Field(20, description="open connections at most")
    requests_per_second: PositiveFloat | None = Field(
        None, description="what the agent may be asked at most; none: no limit"
    )


class ExtractsSettings(Part):
    """Lists that were exported from GE and Client Management."""

    root: Path = Field(Path("extracts"), description="holds a folder a cabinet: <code>/ge and <code>/s4a")
    mapping: Path | None = Field(None, description="TOML: which header is which field; none: the one that ships")
    oldest_hours: PositiveFloat = Field(72.0, description="older lists prove nothing any more")


class OrdersSettings(Part):
    """Work orders: what people are asked to do."""

    expire_days: PositiveFloat = Field(14.0, description="until an order that nobody answered is on hold")
    language: Literal["fr", "en"] | None = Field(None, description="what operators read; none: the cabinet's language")


class RetrySettings(Part):
    """Attempts at what time may mend: errors of the classes transient and throttled."""

    attempts: PositiveInt = Field(5, description="attempts at a step, the first included")
    first: PositiveFloat = Field(1.0, description="seconds before the second attempt; then twice as long each time")
    longest: PositiveFloat = Field(60.0, description="seconds between two attempts at most")


class PaceSettings(Part):
    """How long the engine waits for what, in seconds."""

    act_timeout: PositiveFloat = Field(30.0, description="until a write that has not been answered is unknown")
    settle: PositiveFloat = Field(
        30.0,
        description="after silence or an error in doubt, until the remote is believed that it never received a write",
    )
    poll: PositiveFloat = Field(5.0, description="between two looks at what is under way")
    patience_at_most: float = Field(
        900.0, ge=0, description="how long a step goes on looking before it ends waiting, at most"
    )
    trust_days: PositiveFloat = Field(
        7.0, description="how long a proof is taken as it stands before the synchronisation; then it is looked at again"
    )
    target_within: PositiveFloat = Field(180.0, description="how long users stay locked out for lists of now to be had")
    retry: RetrySettings = RetrySettings()


class Spread(Part):
    """Seconds that something takes: in half of all cases at most `p50`, in nine of ten at most `p90`."""

    p50: PositiveFloat = Field(description="seconds, in half of all cases at most")
    p90: PositiveFloat = Field(description="seconds, in nine of ten cases at most")

    @model_validator(mode="after")
    def is_in_order(self) -> Spread:
        if self.p90 < self.p50:
            raise ValueError("p90 is at least p50")
        return self


class ExpectedSettings(Part):
    """How long things take, until past waves tell. Estimates of ours: Sage publishes none."""

    medium_from: PositiveInt = Field(300, description="dossiers from which on a cabinet is medium; small below")
    large_from: PositiveInt = Field(1500, description="dossiers from which on a cabinet is large")
    write: Spread = Field(Spread(p50=20, p90=60), description="a write by an agent, but for the synchronisation")
    small: Spread = Field(Spread(p50=600, p90=1200), description="the synchronisation of a small cabinet")
    medium: Spread = Field(Spread(p50=1800, p90=3600), description="the synchronisation of a medium cabinet")
    large: Spread = Field(Spread(p50=3600, p90=7200), description="the synchronisation of a large cabinet")

    @model_validator(mode="after")
    def is_in_order(self) -> ExpectedSettings:
        if self.large_from <= self.medium_from:
            raise ValueError("large_from is more than medium_from")
        return self

    @property
    def sizes(self) -> Sizes:
        from bascule.waves.sizes import Sizes

        return Sizes(self.medium_from, self.large_from)


class ReconciliationSettings(Part):
    """What may differ between GE and Client Management without being a difference. It is listed all the same."""

    tolerate: Annotated[tuple[Tolerated, ...], NoDecode, BeforeValidator(_names)] = Field(
        (),
        description="in what labels and names may differ: case, accents; keys, numbers, status and membership never may",
    )


class PrefectSettings(Part):
    """Prefect, on whose pages a run is seen. It is told nothing by variables `PREFECT_*`, a profile or a file: they may be meant for another project."""

    url: str | None = Field(
        None,
        description="the API of a server of the team's, such as https://prefect.example/api; none: Bascule has its own",
    )
    auth: SecretReference | None = Field(
        None, description="env:NAME, which holds what that server asks for: `user:secret`, or a key of Prefect Cloud"
    )
    variables: dict[str, str] = Field(
        {},
        description='what Prefect is told besides, such as {PREFECT_API_SSL_CERT_FILE = "/etc/ca.pem"}; it wins over ours',
    )

    @field_validator("url")
    @classmethod
    def keeps_the_secret(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if url is None or (parts.hostname and (parts.scheme == "https" or parts.hostname in LOOPBACK)):
            return url
        raise ValueError("is no address of Prefect's: https://HOST/api; without TLS on this machine only")

    @field_validator("auth")
    @classmethod
    def is_a_variable(cls, auth: str | None) -> str | None:
        if auth is not None and not auth.startswith("env:"):
            raise ValueError("is what opens Prefect: no block of Prefect's can hold it; write env:NAME")
        return auth

    @field_validator("variables")
    @classmethod
    def leave_the_door_shut(cls, variables: dict[str, str]) -> dict[str, str]:
        for name in variables:
            if not name.startswith("PREFECT_"):
                raise ValueError(f"{name} is no variable of Prefect's")
            if name in KEPT_FROM_VARIABLES:
                raise ValueError(f"{name} is not for variables: {KEPT_FROM_VARIABLES[name]}")
        return variables


class SmtpSettings(Part):
    """The mail server that notices go through. No host: no mail."""

    host: str | None = Field(None, description="the mail server's name; none: no mail")
    port: int | None = Field(None, ge=1, le=65535, description="none: 587 for starttls, 465 for tls, 25 for none")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="none only to this machine")
    user: str | None = Field(None, description="who Bascule is to the mail server; none: it asks nobody")
    password: SecretReference | None = Field(None, description="env:NAME or prefect:BLOCK")
    sender: Address | None = Field(None, description="the address that notices come from")

    @model_validator(mode="after")
    def can_be_used(self) -> SmtpSettings:
        if self.host is None:
            return self
        if self.sender is None:
            raise ValueError("a mail needs a sender")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.security == "none" and self.host not in LOOPBACK:
            raise ValueError(f'security = "none" is for this machine only; {self.host} is reached by starttls or tls')
        return self


class QuietSettings(Part):
    """When nothing but alarms is sent."""

    from_: ClockTime | None = Field(None, alias="from")
    to: ClockTime | None = None
    days: tuple[Day, ...] = ()

    @model_validator(mode="after")
    def says_when(self) -> QuietSettings:
        if (self.from_ is None) != (self.to is None):
            raise ValueError("from and to go together")
        if self.from_ is None and not self.days:
            raise ValueError("needs from and to, or days")
        if self.from_ is not None and self.from_ == self.to:
            raise ValueError("from and to are the same; for whole days write days")
        if len(set(self.days)) == 7:
            raise ValueError(
                "days names the whole week: nothing would ever be sent; to be told nothing: enabled = false"
            )
        return self


class NoticesSettings(Part):
    """Messages to operators and their team. Off until somebody says where they go."""

    enabled: bool = Field(False, description="whether notices are sent")
    language: Literal["fr", "en"] = Field("fr", description="fr or en")
    timezone: Zone = Field("Europe/Paris", description="of the quiet hours, and of the times in messages")
    quiet: QuietSettings | None = Field(
        None,
        description='when all but alarms waits, such as `{from = "21:00", to = "07:00", days = ["sat", "sun"]}`; days are quiet as a whole',
    )
    remind_after_hours: PositiveFloat = Field(24.0, description="until what still waits for somebody is told again")
    smtp: SmtpSettings = SmtpSettings()
    addresses: dict[str, Address] = Field({}, description="e-mail addresses by operator")
    team: Annotated[tuple[Address, ...], BeforeValidator(_one_or_many)] = Field(
        (), description="who hears of what concerns nobody in particular; none: everybody in addresses"
    )
    webhooks: tuple[SecretReference, ...] = Field(
        (), description="secrets that hold an Apprise URL (Teams, Slack, …), which hear what the team hears"
    )

    @model_validator(mode="after")
    def reaches_somebody(self) -> NoticesSettings:
        if not self.enabled:
            return self
        if not (self.addresses or self.team or self.webhooks):
            raise ValueError("enabled, but nobody would hear: name addresses, team or webhooks")
        if (self.addresses or self.team) and self.smtp.host is None:
            raise ValueError("addresses and team need a mail server: set smtp.host")
        return self


class Settings(BaseSettings):
    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__")

    environment: str
    ledger_url: str | None = Field(None, description="SQLAlchemy URL of the ledger")
    out: Path = Field(Path(".bascule/runs"), description="where run folders go")
    language: Literal["fr", "en"] = Field(
        "fr", description="the language of reports, for who reads them; cabinets have their own"
    )
    prefect_home: Path = Field(
        Path(".bascule/prefect"), description="where Bascule's own Prefect server lives, if none is configured"
    )
    prefect: PrefectSettings = PrefectSettings()
    plays_person: bool = Field(
        False, description="the sandbox does what a person would do; only in the environment sandbox"
    )
    concurrency: PositiveInt = Field(20, description="cabinets at once, where a wave does not say")
    agent_away_minutes: PositiveFloat = Field(
        30.0,
        description="how long a run holds its cabinets while an agent answers nobody, or until the last safe start of the wave's hours",
    )
    operators: Names = Field((), description="who may answer and approve, by name")
    my_sage: SystemSettings = SystemSettings()
    ge: SystemSettings = SystemSettings()
    s4a: SystemSettings = SystemSettings()
    pace: PaceSettings = PaceSettings()
    extracts: ExtractsSettings = ExtractsSettings()
    orders: OrdersSettings = OrdersSettings()
    expected: ExpectedSettings = ExpectedSettings()
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    notices: NoticesSettings = NoticesSettings()

    def system(self, system: System) -> SystemSettings:
        found: SystemSettings = getattr(self, system.value)
        return found

    @model_validator(mode="after")
    def only_operators_have_addresses(self) -> Settings:
        for name in self.notices.addresses:
            if name not in self.operators:
                raise ValueError(
                    f"notices.addresses: {name!r} is not among the operators{_did_you_mean(name, self.operators)}"
                )
        return self

    @model_validator(mode="after")
    def only_the_sandbox_plays_a_person(self) -> Settings:
        if self.plays_person and self.environment != "sandbox":
            raise ValueError(
                "plays_person is for the environment sandbox only: elsewhere people do what only people may do"
            )
        hosts = {urlsplit(self.system(system).url or "").hostname for system in System} - {None}
        if self.plays_person and not hosts <= set(LOOPBACK):
            raise ValueError(
                f"plays_person needs every system on this machine, not on {', '.join(sorted(str(h) for h in hosts - set(LOOPBACK)))}"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # A variable wins over the environment's file, which is handed in as the initial values.
        return env_settings, init_settings


def read_settings(environment: str | None = None) -> Settings:
    """The settings of an environment, by name, or by the path of a TOML file. Raises SettingsRefused."""
    name = environment or os.environ.get("BASCULE_ENVIRONMENT") or DEFAULT_ENVIRONMENT
    _refuse_misspelt_variables(os.environ)
    _refuse_unreadable_certificates(os.environ)
    path = _file_of(name)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        raise SettingsRefused(f"{path}: cannot be read ({trouble})") from trouble
    try:
        return Settings(**(values | {"environment": path.stem if name.endswith(".toml") else name}))
    except ValidationError as wrong:
        raise SettingsRefused("\n".join(_in_words(wrong, path))) from None
    except SettingsError as unreadable:
        raise SettingsRefused(
            f"A variable cannot be read: {unreadable}", remedy="lists and groups are written as JSON, or in a TOML file"
        ) from None


def names_of_settings(model: type[BaseModel] = Settings, before: str = "") -> Iterator[str]:
    """Every setting by its dotted name, groups included."""
    for name, field in model.model_fields.items():
        dotted = f"{before}{name}"
        yield dotted
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from names_of_settings(kind, f"{dotted}.")


def _file_of(name: str) -> Path:
    path = Path(name) if name.endswith(".toml") else ENVIRONMENTS / f"{name}.toml"
    if path.is_file() and (name.endswith(".toml") or path.parent == ENVIRONMENTS):
        return path
    known = sorted(file.stem for file in ENVIRONMENTS.glob("*.toml"))
    raise SettingsRefused(
        f"There is no environment {name!r}{_did_you_mean(name, known)}",
        remedy=f"use one of {', '.join(known)}, or the path of a TOML file",
    )


def _refuse_misspelt_variables(variables: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name.replace('.', '__').upper()}" for name in names_of_settings()} | OUTSIDE
    wrong = sorted(name for name in variables if name.upper().startswith(PREFIX) and name.upper() not in known)
    if wrong:
        raise SettingsRefused("\n".join(f"{name}: no such setting{_did_you_mean(name, known)}" for name in wrong))


def _refuse_unreadable_certificates(variables: Mapping[str, str]) -> None:
    """Prefect cannot even be imported with such a file, and no agent be reached."""
    if not (file := variables.get("SSL_CERT_FILE")):
        return
    import ssl

    try:
        ssl.create_default_context(cafile=file)
    except OSError as trouble:
        raise SettingsRefused(
            f"SSL_CERT_FILE names {file}, which is no file of certificates that can be read ({trouble.strerror or trouble})",
            remedy="mend the variable, or unset it: then the usual certificates hold",
        ) from None


def _in_words(wrong: ValidationError, path: Path) -> Iterator[str]:
    names = list(names_of_settings())
    for error in wrong.errors():
        dotted = ".".join(str(part) for part in error["loc"])
        variable = f"{PREFIX}{'__'.join(part for part in error['loc'] if isinstance(part, str)).upper()}"
        where = variable if variable in os.environ else f"{path}"
        if error["type"] == "extra_forbidden":
            yield f"{where}: {dotted}: no such setting{_did_you_mean(dotted, names)}"
        else:
            yield f"{where}: {dotted or 'settings'}: {error['msg'].removeprefix('Value error, ')}"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
