"""Synthetic cabinets: realistic, valid, and nobody's. The same seed gives the same cabinets, and a longer sample begins
like a shorter one.

SIREN begin with 29: numbers in 2… are kept for local authorities, so that no accounting firm bears one of these. Names are
drawn from lists of frequent surnames and places and are looked up nowhere; e-mail domains end in `.example`, which no
mail ever reaches (RFC 2606).
"""

from __future__ import annotations

import random
import unicodedata

from stdnum import luhn

from bascule.inventory.reading import DEFAULT_WAVE, Inventory
from bascule.model import Cabinet

FIRST_NAMES = (
    "Amélie Béatrice Benoît Camille Cécile Chloé Élodie Émile Étienne Françoise Gaël Hélène Inès Jérôme Joël Léa Loïc "
    "Maëlle Mathéo Noémie Océane Raphaël Rémi Sébastien Solène Théo Thérèse Valérie Yann Zoé"
).split()
SURNAMES = (
    "André Barthélemy Bœuf Boissière Chauvière Collée Crépin Delâtre Desprès Duchêne Évrard Fauchère Gérôme Guérinot "
    "Hébrard Jaurès L'Hôte Lacoste Lefèvre Lemaître Maréchal Mûrier Noël Péchard Pélissier Prévôt Quéméneur Rivière "
    "Rousselot Sévère Thévenin Trélaux Valette Vérité Villeneuve Vœgelin"
).split()
PLACES = (
    "Angers Annecy Besançon Béziers Bourg-en-Bresse Brest Châteauroux Dijon Épinal Évreux Grenoble Roanne Laval "
    "Lens Lille Limoges Lorient Lyon Mâcon Metz Montélimar Nancy Nîmes Orléans Périgueux Poitiers Quimper Reims Rodez "
    "Saint-Étienne Sète Thionville Toulon Tours Troyes Valence Vannes Vitré"
).split()
FIRMS = (
    "Cabinet {surname}",
    "Cabinet {surname} & Associés",
    "{surname} {other} Expertise",
    "Fiduciaire de {place}",
    "{surname} Audit & Conseil",
    "Expertise comptable {surname}",
    "Comptabilité {place} – {surname}",
    "SELARL {surname} & Fils",
)
PROFILES = ("Manager", "Collaborateur confirmé", "Collaborateur", "Assistant", "Chef de mission")
GROUPS = ("Dossiers clients", "Général", "BIC/IS", "BNC", "Agricole", "Associations", "Social & paie")
OWNERS = ("Agnès Morvan", "Karim Belkacem", "Lucie Fontanel", "Paul Guérin")
OVERSEAS = {"Indian/Reunion": "Saint-Denis", "America/Martinique": "Fort-de-France", "Pacific/Noumea": "Nouméa"}
FIRST_SIREN = 29_000_000
SIRENS = 1_000_000
STRIDE = 617_801
"""Prime to SIRENS, so that stepping by it meets every number once."""
PILOT = "pilot"


def sample(count: int, seed: int = 0, wave: str | None = None, *, pilot: int = 0) -> Inventory:
    """`pilot`: so many, the first, are in the wave of that name."""
    if not 1 <= count <= SIRENS:
        raise ValueError(f"A sample holds 1 to {SIRENS:,} cabinets, not {count}.")
    first = random.Random(seed).randrange(SIRENS)
    cabinets = tuple(
        _cabinet(number, seed, first, PILOT if number <= pilot else wave or DEFAULT_WAVE)
        for number in range(1, count + 1)
    )
    return Inventory(cabinets, {}, (), f"sample of {count}, seed {seed}")


def example_siren(number: int) -> str:
    """The same number gives the same SIREN, a different one a different SIREN."""
    body = str(FIRST_SIREN + number % SIRENS)
    return body + luhn.calc_check_digit(body)


def example_siret(siren: str, office: int = 1) -> str:
    body = f"{siren}{office:04d}"
    return body + luhn.calc_check_digit(body)


def _cabinet(number: int, seed: int, first: int, wave: str) -> Cabinet:
    draw = random.Random(f"{seed}/{number}")
    surname, other = draw.sample(SURNAMES, 2)
    zone, place = "Europe/Paris", draw.choice(PLACES)
    if draw.random() < 0.04:
        zone, place = draw.choice(sorted(OVERSEAS.items()))
    siren = example_siren(first + number * STRIDE)
    domain = f"{_plain(surname)}-{number:04d}.example"
    admin, contact = (f"{draw.choice(FIRST_NAMES)} {surname}" for _ in range(2))
    return Cabinet(
        code=f"C{number:04d}",
        name=draw.choice(FIRMS).format(surname=surname, other=other, place=place),
        siren=siren,
        siret=example_siret(siren, draw.randint(1, 9)) if draw.random() < 0.9 else None,
        entity=f"ENT{number:05d}",
        admin_email=f"{_plain(admin)}@{domain}",
        default_profile=draw.choice(PROFILES),
        default_group=draw.choice(GROUPS),
        wave=wave,
        owner=draw.choice(OWNERS),
        contact_email=f"{_plain(contact)}@{domain}",
        terms_signatory=admin,
        timezone=zone,
        language="en" if draw.random() < 0.03 else "fr",
        site=place,
    )


def _plain(name: str) -> str:
    """As in an address: `Loïc L'Hôte` is `loic.l-hote`."""
    letters = unicodedata.normalize("NFKD", name.lower().replace("œ", "oe").replace("'", "-").replace(" ", "."))
    return "".join(letter for letter in letters if letter.isascii())
