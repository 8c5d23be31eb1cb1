"""One example of each body of the contract: a cabinet on the evening of its synchronisation. The documents show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bascule.connectors import OperationStatus
from bascule.connectors.contract import (
    AcceptTerms,
    AgentOperation,
    AssignClients,
    AssignedClient,
    Connect,
    DeclareAdminSage,
    Defaults,
    HealthBody,
    InvitedUser,
    InviteUsers,
    KeyQuestion,
    Nothing,
    Operations,
    SignUp,
    Token,
    Verb,
)
from bascule.facts import (
    AdminSage,
    AdminSageStatus,
    Assigned,
    Collaborateur,
    Contact,
    Dossier,
    DossierStatus,
    Entity,
    GeFacts,
    GeLists,
    Group,
    MySageFacts,
    Profile,
    Right,
    S4aFacts,
    S4aLists,
    Session,
    Synchronisation,
    SynchronisationStatus,
    User,
    UserStatus,
    WorkspaceStatus,
)
from bascule.model import System

CABINET, KEY, QUESTION, SIREN = "C0001", "4f1c0a52d3e94b1f8a6d7c20b9e1f354", "CNCU QTDW EFFL DZZX", "732829320"
EMAIL, COLLEAGUE = "anne.lefevre@lefevre.example", "paul.durand@lefevre.example"


def _at(hour: int, minute: int) -> datetime:
    """Of the evening on which the cabinet moves."""
    return datetime(2026, 12, 1, hour, minute, tzinfo=UTC)


NOW = _at(20, 12)
ENTITY = Entity(
    id="CAB", name="Cabinet Lefèvre", siren=SIREN, siret="73282932000074", address="1 rue du Port, 29200 Brest"
)
GROUP = Group(code="G01", label="Général", entity="CAB")
PERSON = Collaborateur(
    code="ALE", last_name="Lefèvre", first_name="Anne", email=EMAIL, profile="MAN", entity="CAB", active=True
)
RIGHT = Right(collaborateur="ALE", group="G01", right="consultation")
DOSSIER = Dossier(
    code="D0001",
    name="Boulangerie du Pont",
    group="G01",
    siren="552100554",
    siret=None,
    status=DossierStatus.OPEN,
)

GE_FACTS = GeFacts(
    cabinet=CABINET,
    taken_at=NOW,
    key_question=QUESTION,
    key_entered_at=_at(9, 30),
    licensed=True,
    restarted_at=_at(9, 34),
    tab_visible=True,
    connected_entity=ENTITY,
    connected_at=_at(9, 41),
    default_profile="MAN",
    default_group="G01",
    wizard_finished=True,
    returned_at=_at(10, 5),
    exe_opened_at=_at(10, 6),
    sql_backup_at=_at(19, 0),
    mongo_backup_at=_at(19, 10),
    locked_out_by="bascule",
    locked_out_at=_at(20, 0),
    sessions=(Session(user="ALE", since=_at(20, 1), ours=True),),
    synchronisation=Synchronisation(
        status=SynchronisationStatus.RUNNING, operation="op-000042", progress=0.4, started_at=_at(20, 2), ended_at=None
    ),
)

BODIES: Mapping[type, object] = {
    type(body): body
    for body in (
        MySageFacts(
            cabinet=CABINET,
            taken_at=NOW,
            admin_sages=(AdminSage(email=EMAIL, status=AdminSageStatus.VALIDATED),),
            key_question=QUESTION,
            key_computed_at=_at(9, 20),
        ),
        GE_FACTS,
        GeLists(
            cabinet=CABINET,
            taken_at=NOW,
            right_names=("consultation", "saisie"),
            entities=(ENTITY,),
            profiles=(Profile(code="MAN", label="Manager", entity="CAB"),),
            collaborateurs=(PERSON,),
            groups=(GROUP,),
            rights=(RIGHT, replace(RIGHT, right="saisie")),
            dossiers=(DOSSIER,),
            contacts=(
                Contact(id="K0001", name="Anne Lefèvre", email=EMAIL, entity="CAB", dossier=None, collaborateur="ALE"),
            ),
        ),
        S4aFacts(
            cabinet=CABINET,
            taken_at=NOW,
            signed_up_at=_at(9, 50),
            signed_up_siren=SIREN,
            billing_given_at=_at(9, 55),
            terms_accepted_at=_at(9, 58),
            terms_signatory="Anne Lefèvre",
            workspace=WorkspaceStatus.READY,
            synchronised_at=None,
        ),
        S4aLists(
            cabinet=CABINET,
            taken_at=NOW,
            groups=(GROUP,),
            dossiers=(DOSSIER,),
            collaborateurs=(PERSON,),
            rights=(RIGHT, replace(RIGHT, right="saisie")),
            contacts=(),
            users=(User(email=COLLEAGUE, collaborateur="PDU", role="Gestionnaire", status=UserStatus.INVITED),),
            assignments=(Assigned(client="D0001", email=COLLEAGUE),),
            default_profile="MAN",
            default_group="G01",
        ),
        Token(access_token="aZ3-an-opaque-text", token_type="Bearer", expires_in=300),  # noqa: S106  # an example
        HealthBody(status="ok", system=System.GE, contract="2", time=NOW),
        Nothing(),
        DeclareAdminSage(email=EMAIL),
        KeyQuestion(question=QUESTION),
        Connect(entity=ENTITY.id, name=ENTITY.name, siren=ENTITY.siren, siret=ENTITY.siret),
        Defaults(profile="Manager", group="Général"),
        SignUp(name=ENTITY.name, siren=SIREN, email=EMAIL),
        AcceptTerms(signatory="Anne Lefèvre"),
        InviteUsers(users=(InvitedUser(email=COLLEAGUE, collaborateur="PDU", role="Gestionnaire"),)),
        AssignClients(assignments=(AssignedClient(client="D0001", email=COLLEAGUE),)),
    )
}


def operations_of(verb: Verb) -> dict[str, AgentOperation]:
    """How a write may stand, by status: what each such answer looks like."""
    done = AgentOperation(cabinet=CABINET, id="op-000042", verb=verb.name, key=KEY, status=OperationStatus.SUCCEEDED)
    if not verb.long:
        return {"succeeded": done}
    under_way: dict[str, Any] = {"progress": 0.4, "phase": "transfer"}
    refused: dict[str, Any] = {"progress": 0.0, "error_code": "inconsistent", "message": "2 dossiers have no group."}
    cut: dict[str, Any] = {"progress": 0.6, "error_code": "interrupted", "message": "The connection to S4A was lost."}
    return {
        "accepted": replace(done, status=OperationStatus.ACCEPTED, progress=0.0),
        "running": replace(done, status=OperationStatus.RUNNING, **under_way),
        "succeeded": done,
        "not-begun": replace(done, status=OperationStatus.NOT_BEGUN, **refused),
        "interrupted": replace(done, status=OperationStatus.INTERRUPTED, **cut),
    }


def found(verb: Verb) -> dict[str, Operations]:
    return {
        "received": Operations(cabinet=CABINET, operations=(operations_of(verb)["succeeded"],)),
        "never received": Operations(cabinet=CABINET, operations=()),
    }
