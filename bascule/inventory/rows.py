"""The rows of an inventory as models: the one description of its columns, from which the JSON Schema is published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from bascule.inventory import rules
from bascule.model import Assignment, Cabinet, Invitation, System
from bascule.tables.problems import Broken
from bascule.tables.text import MAX_CELL

Text = Annotated[str, AfterValidator(rules.text), Field(min_length=1, max_length=MAX_CELL)]
Code = Annotated[Text, AfterValidator(rules.code), Field(json_schema_extra={"pattern": f"^{rules.CODE.pattern}$"})]
Wave = Annotated[Text, AfterValidator(rules.wave), Field(json_schema_extra={"pattern": r"^\w[\w-]{0,39}$"})]
Siren = Annotated[Text, AfterValidator(rules.siren), Field(json_schema_extra={"pattern": "^[0-9 ]{9,11}$"})]
Siret = Annotated[Text, AfterValidator(rules.siret)]
Email = Annotated[Text, AfterValidator(rules.email), Field(json_schema_extra={"format": "email"})]
TimeZone = Annotated[Text, AfterValidator(rules.timezone)]
Language = Annotated[Text, AfterValidator(rules.language), Field(json_schema_extra={"enum": list(rules.LANGUAGES)})]
Connector = Annotated[Text, AfterValidator(rules.connector), Field(json_schema_extra={"enum": list(rules.CONNECTORS)})]
ConnectorOfMySage = Annotated[Text, AfterValidator(rules.connector_of_my_sage)]


def column(french: str, about: str, default: Any = ...) -> Any:
    return Field(default, description=about, json_schema_extra={"french": french})


class InventoryRow(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CabinetRow(InventoryRow):
    """A cabinet to be moved."""

    code: Code = column("code_cabinet", "Key of the cabinet, unique whatever the case.")
    name: Text = column("raison_sociale", "Name of the firm.")
    siren: Siren = column("siren", "9 digits; as text, so that zeros at the beginning survive.")
    siret: Siret | None = column("siret", "14 digits; begins with the SIREN.", None)
    entity: Text = column("entite", "Identifier of the entity in GE.")
    admin_email: Email = column("email_adminsage", "E-mail of the AdminSage, identical to the one in GE.")
    default_profile: Text = column("profil_par_defaut", "Profile for users later created from S4A.")
    default_group: Text = column("groupe_par_defaut", "Dossier group for dossiers later created from S4A.")
    wave: Wave | None = column("vague", "Name of the wave; empty: `default`.", None)
    owner: Text | None = column("responsable", "The operator in charge.", None)
    contact_email: Email | None = column("email_contact", "The cabinet's person.", None)
    terms_signatory: Text | None = column(
        "signataire_cg", "Who may accept the terms; needed before step `terms`.", None
    )
    timezone: TimeZone = column("fuseau", "IANA name.", "Europe/Paris")
    language: Language = column("langue", "Language of messages to the cabinet.", "fr")
    site: Text | None = column("site", "Where GE runs; a lane may be bound to it.", None)
    my_sage: ConnectorOfMySage | None = column("my_sage", "Connector for My Sage; empty: the environment's.", None)
    ge: Connector | None = column("ge", "Connector for GE; empty: the environment's.", None)
    s4a: Connector | None = column("s4a", "Connector for S4A; empty: the environment's.", None)

    @field_validator("siret")
    @classmethod
    def siret_begins_with_the_siren(cls, siret: str | None, others: ValidationInfo) -> str | None:
        siren = others.data.get("siren")
        if siret and siren and not siret.startswith(siren) and not rules.is_of_monaco(siret):
            raise Broken(f"does not begin with the SIREN `{siren}`", "Correct one of the two")
        return siret


class UserRow(InventoryRow):
    """A collaborateur to be invited to S4A."""

    code: Code = column("code_cabinet", "The cabinet.")
    email: Email = column("email", "Personal address: it becomes the Sage account.")
    collaborateur: Text = column("collaborateur", "Code of the collaborateur in GE.")
    role: Text = column("role", "Role in S4A.")


class AssignmentRow(InventoryRow):
    """A client or prospect to be assigned to a user of S4A."""

    code: Code = column("code_cabinet", "The cabinet.")
    client: Text = column("client", "The client or prospect, as S4A knows it.")
    email: Email = column("email", "The user.")


ROWS: dict[str, type[InventoryRow]] = {"cabinets": CabinetRow, "users": UserRow, "assignments": AssignmentRow}


def cabinet_of(row: CabinetRow, invitations: Iterable[Invitation], assignments: Iterable[Assignment]) -> Cabinet:
    said = row.model_dump(exclude_none=True)
    connectors = {system: said.pop(system.value) for system in System if system.value in said}
    return Cabinet(**said, connectors=connectors, invitations=tuple(invitations), assignments=tuple(assignments))


def row_of(cabinet: Cabinet) -> dict[str, str]:
    """The row that says the same, without the empty columns. Wave `default` is what an empty wave means."""
    said = {
        name: cabinet.connectors.get(System(name)) if name in set(System) else getattr(cabinet, name)
        for name in CabinetRow.model_fields
    }
    return {name: value for name, value in said.items() if value and (name, value) != ("wave", "default")}


def french(row: type[InventoryRow]) -> dict[str, str]:
    """French header by column."""
    return {name: field.json_schema_extra["french"] for name, field in row.model_fields.items()}  # type: ignore[index, misc]
