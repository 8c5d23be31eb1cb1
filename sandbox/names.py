"""What a French cabinet's data is made of. Nobody here exists; the spelling is as GE users type it."""

from __future__ import annotations

FIRST_NAMES = tuple(
    "Adèle Agnès Alain Amélie André Anne-Laure Antoine Aurélie Benoît Bérengère Camille Cécile Céline Chloé Christian "
    "Claire Clément Corinne Cyril Damien Delphine Didier Élise Élodie Émilie Éric Étienne Eugénie Fabrice Fatima "
    "Florence François Françoise Frédéric Gaëlle Geneviève Gérard Gwenaëlle Hélène Hervé Inès Isabelle Jean-Luc "
    "Jérôme Joël Judicaël Karim Laëtitia Laure Léa Loïc Lucie Maël Marie-Thérèse Mathilde Mehdi Mélanie Michaël Nadège "
    "Nathalie Noëlle Océane Olivier Pascal Pénélope Philippe Rachid Raphaël Rémi Rose Sébastien Solène Stéphane "
    "Sylvie Théo Thérèse Valérie Véronique Victoire Xavier Yann Yves Zoé".split()
)

LAST_NAMES = tuple(
    "Aubert Baçon Barthélémy Baudoin Béranger Besançon Blanchard Bœuf Boulanger Briançon Carpentier Chaïb Chênevert "
    "Collignon Cœurdoux D’Alembert D’Aubigné Delacroix Delaunay Desprès Dufrêne Dumoulin Étienne Fabre Faÿ Ferrière "
    "Garçon Gauthier Gérault Giraudeau Guérin Hébrard Huë Humbert Jaquême Kervadec L’Hôte L’Huillier Labbé Lacœuilhe "
    "Lefèvre Lemaître Lévêque Maçon Maréchal Mégret Menguy Monnier N’Guyen Noël Ollivier Ozanne Pélissier Périn "
    "Prévost Quéméneur Quentin Régnier Renaudin Richard Rœderer Rouyère Saïdi Séguin Serrurier Tavernier Thévenot "
    "Tréhoux Urvoy Vacher Vallée Verdière Viguié Vœllmy Wœrth Yvinec Zeller".split()
)

TRADES = (
    "Boulangerie pâtisserie",
    "Boucherie",
    "Café de la Gare",
    "Carrosserie",
    "Charpente couverture",
    "Coiffure",
    "Cabinet d’architecture",
    "Cave coopérative",
    "Chauffage plomberie",
    "Crêperie",
    "EARL",
    "École de conduite",
    "Électricité générale",
    "Fleuriste",
    "Garage",
    "GAEC",
    "Hôtel restaurant",
    "Imprimerie",
    "Institut de beauté",
    "L’Œuf à la coque",
    "Librairie papeterie",
    "Maçonnerie",
    "Menuiserie",
    "Œnologie conseil",
    "Opticien",
    "Paysagiste",
    "Peinture décoration",
    "Pharmacie",
    "Pressing",
    "Primeurs",
    "Serrurerie métallerie",
    "Taxi",
    "Terrassement",
    "Tout à 2 €",
    "Traiteur",
    "Transports",
)

FORMS = ("SARL", "SAS", "EURL", "SASU", "SA", "SNC", "SELARL")

PLACES = (
    "du Vieux Moulin",
    "des Œillets",
    "de l’Hôtel de Ville",
    "du Bois Joli",
    "de la Forêt",
    "des Trois Chênes",
    "du Château",
    "de l’Église",
    "Saint-Cœur",
    "des Prés",
    "du Champ de Mars",
    "Sainte-Thérèse",
)

STREETS = (
    "rue de la République",
    "avenue Jean-Jaurès",
    "place de l’Hôtel-de-Ville",
    "rue du Général-de-Gaulle",
    "boulevard Carnot",
    "quai de l’Île",
    "impasse des Chênes",
    "rue du Sacré-Cœur",
)

TOWNS = (
    "69002 Lyon",
    "44000 Nantes",
    "35000 Rennes",
    "31000 Toulouse",
    "59800 Lille",
    "76600 Le Havre",
    "63000 Clermont-Ferrand",
    "42000 Saint-Étienne",
    "38000 Grenoble",
    "67000 Strasbourg",
    "29200 Brest",
    "97400 Saint-Denis",
)

PROFILES = (
    ("MAN", "Manager"),
    ("EC", "Expert-comptable"),
    ("CM", "Chef de mission"),
    ("COL", "Collaborateur confirmé"),
    ("DEB", "Collaborateur débutant"),
    ("SOC", "Gestionnaire de paie"),
    ("SEC", "Secrétariat"),
)

GROUPS = (
    "Portefeuille Nord",
    "Portefeuille Sud",
    "BIC réel simplifié",
    "BIC réel normal",
    "BNC",
    "Agricole",
    "Associations",
    "SCI et LMNP",
    "Holdings",
    "Juridique",
    "Paie",
    "Commissariat aux comptes",
    "Micro-entreprises",
    "Créations de l’année",
    "Dossiers sensibles",
    "Bureau annexe",
)

RIGHTS = ("consultation", "saisie", "modification", "suppression", "administration")
