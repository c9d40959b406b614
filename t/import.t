#!/usr/bin/perl

# Files with families, read by a worker: BL.enfance's zip and generic files in
# every encoding, what is wrong named by line and column, what is no such file
# refused whole; a worker that is killed, a database that restarts, a cancel.

use strict;
use warnings;
use utf8;

use Encode qw(encode);
use IO::Compress::Zip qw(:constants $ZipError);
use JSON::PP ();

use Portal::Fault qw(log_lines);
use Portal::Place qw(make_dir spew top);
use Portal::Test;

expect_complaint(qr/worker process \d+ exited on signal 9/);
expect_complaint(qr/shared memory zone ".*" was locked by/);

my $portal = portal(durable => 1, directives => { portal_import => '200ms' });


### files

# name => bytes, ...
sub zipped {
    my @files = @_;
    my ($zip, $out);

    while (my ($name, $bytes) = splice @files, 0, 2) {
        if (!$zip) {
            $zip = IO::Compress::Zip->new(\$out, Name => $name, Minimal => 1)
                or die $ZipError;
        } else {
            $zip->newStream(Name => $name, Minimal => 1);
        }
        $zip->write($bytes);
    }
    $zip->close;

    return $out;
}

sub csv { join '', map { join(';', @$_) . "\r\n" } @_ }

my @FAMILLE = qw(id aliasTiers sexeResp1 nomResp1 prenomResp1 dateNaisResp1
    telephoneResp1 portableResp1 telephoneProResp1 emailResp1 sexeResp2 nomResp2
    prenomResp2 dateNaisResp2 telephoneResp2 portableResp2 telephoneProResp2
    emailResp2 adrNumeroVoie adrcodePostal adrLocalite typeModeReglementResp1);

# by the operator's way; also: SQL before anybody reads it; the id
my $files = 0;
sub given {
    my ($name, $bytes, %o) = @_;

    my $path = sprintf '%s/import-%d', $portal->dir, ++$files;
    spew($path, $bytes, 0644);

    my $dry = $o{dry} ? 'true' : 'false';
    return scalar $portal->psql("select portal.import_given('@{[$o{town} // 'saint-aubin']}',
        '$name', lo_from_bytea(0, pg_read_binary_file('$path')), $dry);
        @{[$o{also} // '']}");
}

sub state_of { scalar $portal->psql("select state from portal.import where id = $_[0]") }

# waits until it is over; its state
sub over {
    my ($id) = @_;

    wait_for(patient(60), sub {
        state_of($id) =~ /^(?:checked|done|failed|cancelled)$/
    });

    return state_of($id);
}

sub failure {
    my ($id) = @_;

    return scalar $portal->psql("select coalesce(failure->>'code', '-') || ' '
        || coalesce(failure->>'file', '-') from portal.import where id = $id");
}

# what is told of lines: "FILE LINE COLUMN CODE"
sub told {
    my ($id) = @_;

    return join "\n", map { join ' ', map { $_ // '-' } @$_ } $portal->psql(
        "select l.file, l.line, coalesce(e->>'column', '-'), e->>'code'
           from portal.import_line l cross join lateral jsonb_array_elements(l.errors) e
          where l.import_id = $id order by l.file, l.line, 3");
}

sub text { Encode::decode('UTF-8', scalar($portal->psql(encode('UTF-8', $_[0]))) // '') }


### BL.enfance

my @bl = (
    'export/mandat.csv' => encode('UTF-8', csv([qw(titulaire_id rum dateSignature iban bic)],
        ['A-1', 'RUM-A1', '01/02/2024', 'FR14 2004 1010 0505 0001 3M02 606', 'PSSTFRPPREN'],
        ['A-2', 'RUM-A2', '01/02/2024', 'FR14 2004 1010 0505 0001 3M02 607', ''])),
    'export/famille.csv' => encode('UTF-8', csv(\@FAMILLE,
        ['A-1', 'T1', 'FEMININ', 'Le Goff', 'Hélène', '04/05/1985', '02 98 00 11 22',
            '06.39.98.00.01', '', 'helene.legoff@example.org', 'MASCULIN', "D'Arcy",
            'Yann', '1984-02-29', '', '639980002', '', '', "3 rue de l'Église",
            '29000', 'Quimper', 'PRELEVEMENT'],
        ['A-2', '', 'MASCULIN', 'Roux', 'Guy', '', '', '02 98 00 11 23', '', '', ('') x 8,
            '4 rue Haute', '1000', 'Bourg', ''],
        ['A-3', '', 'MASCULIN', 'Noël', 'Luc', '31/02/1980', ('') x 12,
            '5 rue Basse', 'abc', 'Bourg', ''])),
    'export/enfant.csv' => encode('UTF-8', csv([qw(Id sexe nom prenom dateNaissance)],
        ['=""00A1""' =~ s/""/"/gr, 'F', 'Le Goff', 'Maë', '02/09/2019'],
        ['A2', 'M', 'Roux', '"=1+1', '03/09/2018'],
        ['A3', 'M', 'Roux', 'Tom', '03/09/2018'])),
    'export/enfantFamille.csv' => csv([qw(famille_id enfant_id)],
        ['A-1', '00A1'], ['A-2', '00A1'], ['A-2', 'A3']),
    'export/lisez-moi.txt' => "bonjour\n",
);

{
    my $id = given('bl.zip', zipped(@bl), dry => 1);
    is over($id), 'checked', 'BL.enfance: a dry run' or diag failure($id);
    is $portal->psql("select count(*) from portal.family where external_id like 'A-_'"), 0,
        'that writes nothing';
    is told($id), <<'END' =~ s/\n\z//r, 'what is wrong, by file, line and column';
enfant.csv 3 prenom quote
famille.csv 3 portableResp1 phone_mobile
famille.csv 4 adrcodePostal postcode_format
famille.csv 4 dateNaisResp1 date_format
mandat.csv 3 iban iban_key
END
    is $portal->psql("select string_agg(f->>'name' || ' ' || coalesce(f->>'kind', '-') || ' '
            || (f->>'encoding') || ' ' || (f->>'lines') || ' ' || (f->>'unknown'), ', '
            order by f->>'name') from portal.import i cross join lateral
            jsonb_array_elements(i.files) f where i.id = $id"),
        'enfant.csv bl_enfant UTF-8 3 [], '
        . 'enfantFamille.csv bl_enfant_famille UTF-8 3 [], '
        . 'famille.csv bl_famille UTF-8 3 ["typeModeReglementResp1"], '
        . 'lisez-moi.txt - UTF-8 0 [], mandat.csv bl_mandat UTF-8 2 []',
        'what was read, and what is not taken';
    is $portal->psql("select count(*) from portal.import_piece where import_id = $id"), 0,
        'its bytes are gone';
    is $portal->psql("select count(*) from portal.import_line
        where import_id = $id and records::text like '%FR14%'"), 0,
        'no account number is staged as it is';

    $portal->psql("select portal.import_go_on('saint-aubin', $id)");
    is over($id), 'done', 'applied';

    is $portal->psql("select string_agg(external_id || ' ' || coalesce(accounting_code, '-'),
            ', ' order by external_id) from portal.family where external_id like 'A-_'"),
        'A-1 T1, A-2 -', 'the families, without the wrong one';
    is text("select string_agg(concat_ws(' ', external_id, title, last_name, first_name,
            birth_date, phone_mobile, phone_home, email, payer), ', ' order by external_id)
            from portal.guardian where external_id like 'A-_/_'"),
        "A-1/1 mrs Le Goff Hélène 1985-05-04 +33639980001 +33298001122"
        . " helene.legoff\@example.org t, A-1/2 mr D'Arcy Yann 1984-02-29 +33639980002 f,"
        . ' A-2/1 mr Roux Guy t', 'their guardians';
    is text("select string_agg(concat_ws(' ', a.street_number, '/', a.street, a.postal_code), ', ' order by g.external_id)
            from portal.address a join portal.guardian g on g.tenant = a.tenant
            and g.id = a.guardian_id where g.external_id like 'A-_/_'"),
        "3 / rue de l'Église 29000, 3 / rue de l'Église 29000, 4 / rue Haute 01000", 'where they live';
    is text("select string_agg(c.external_id || ' ' || f.external_id, ', '
            order by c.external_id, f.external_id) from portal.child c
            join portal.child_family x on x.tenant = c.tenant and x.child_id = c.id
            join portal.family f on f.tenant = x.tenant and f.id = x.family_id
            where f.external_id like 'A-_'"),
        '00A1 A-1, 00A1 A-2, A3 A-2', 'a child of two households is one';
    is $portal->psql("select b.iban_last4 || ' ' || b.mandate_reference || ' '
            || (b.iban <> 'FR1420041010050500013M02606') from portal.bank b
            join portal.guardian g on g.tenant = b.tenant and g.id = b.guardian_id
            where g.external_id = 'A-1/1'"), '2606 RUM-A1 true', 'the account, sealed';
}
{
    my $id = given('bl.zip', zipped(@bl));
    is over($id), 'done', 'the same file again';
    is $portal->psql("select string_agg(distinct outcome, ' ') from portal.import_line
        where import_id = $id and outcome <> 'refused'"), 'unchanged', 'nothing changes';
}


### generic files

{
    my $id = given('autres.zip', zipped(
        'Responsables 2026.csv' => encode('cp1252',
            "Responsable;Famille;Civilité;Nom;Prénom;Lien de parenté\n"
            . "g1;G-1;Mme;Nœud;Zoé;Mère\n"),
        'familles.csv' => "\xff\xfe" . encode('UTF-16LE', "famille\tlibellé\nG-1\tFamille Nœud\n"),
        'adresses.csv' => "\xfe\xff" . encode('UTF-16BE',
            "responsable,adresse,code postal,ville\ng1,\"1, rue\nHaute\",29000,Quimper\n"),
        'fiscal.csv' => "\xef\xbb\xbfresponsable;rfr;parts;allocataire\n"
            . "g1;12 345;2,5;123456K\nnobody;1;1;2\n",
        'plus.ndjson' => encode('UTF-8', join "\n",
            '{"type":"child","child":"gc","family":"G-1","last_name":"Nœud",'
            . '"first_name":"Léo","birth_date":"2019-01-02","sex":"M"}',
            '{"type":"schooling","child":"gc","school_name":"Jules-Ferry","school_level":"CP"}',
            '{"type":"contact","child":"gc","family":"G-1","last_name":"Nœud",'
            . '"first_name":"Ana","link":"tante","phone_mobile":"06 39 98 00 03","collect":true,"emergency":false}',
            '{"type":"child",')));
    is over($id), 'done', 'generic files' or diag failure($id);
    is told($id), "fiscal.csv 3 responsable no_guardian\nplus.ndjson 4 - json", 'what is wrong with them';
    is text("select f.label || ', ' || g.first_name || ' ' || g.last_name || ' ' || g.link
            || ', ' || a.street_number || ' ' || a.street from portal.family f join portal.guardian g on g.tenant = f.tenant
            and g.family_id = f.id join portal.address a on a.guardian_id = g.id
            where f.external_id = 'G-1'"),
        'Famille Nœud, Zoé Nœud mother, 1 rue Haute', 'in three encodings';
    is $portal->psql("select t.shares || ' ' || (t.caf_number is not null) || ' '
            || (t.reference_income is not null) || ' ' || (t.caf_mac is not null)
            from portal.tax t join portal.guardian g on g.id = t.guardian_id
            where g.external_id = 'g1'"), '2.50 true true true', 'tax, sealed';
    is text("select c.first_name || ' ' || s.name || ' ' || s.level || ' ' || k.first_name
            || ' ' || k.link from portal.child c join portal.schooling s on s.child_id = c.id
            join portal.contact k on k.child_id = c.id where c.external_id = 'gc'"),
        'Léo Jules-Ferry cp Ana aunt_uncle', 'and by NDJSON';
}


# a line that gives a guardian's number to somebody else is refused for want of
# a family: whose the tax is that comes with it is known all the same
{
    my $tax = sub { scalar $portal->psql("select shares from portal.tax t join portal.guardian g on g.id = t.guardian_id where g.external_id = 'g1'") };
    my $head = "responsable;famille;nom;prenom\n";
    for my $family ('', 'G' x 61) {
        my $id = given('autre.zip', zipped('responsables.csv' => $head . "g1;$family;Autre;Personne\n",
            'fiscal.csv' => "responsable;parts\ng1;9\n"));
        is over($id), 'done', 'somebody else, of no family';
        is scalar $portal->psql("select string_agg(outcome || ' ' || coalesce(e->>'column', '-') || ' ' || (e->>'code'), ', ' order by file desc)
            from portal.import_line l cross join lateral jsonb_array_elements(l.errors || l.detail) e where l.import_id = $id"),
            'refused famille ' . ($family ? 'too_long' : 'required') . ', kept - other_person', 'their line is refused, and their tax not another\'s';
        is $tax->(), '2.50', 'who stays as they were';
    }
    over(given('autre.ndjson', qq({"type":"guardian","guardian":"g1","last_name":"Autre","first_name":"Personne"}\n)
        . qq({"type":"tax","guardian":"g1","shares":"9"}\n)));
    is $tax->(), '2.50', 'nor where there is no cell for one';
    over(given('responsables.csv', encode('UTF-8', $head . "g1;G-1;Nœud;Zoé\n")));
    over(given('fiscal.csv', "responsable;parts\ng1;3\n"));
    is $tax->(), '3.00', 'until they are named again';

    # nor is a line that cannot be read: of whom it names, or of all whom no other line does
    my $g2 = "g2;G-1;Nœud;Ana\n";
    my $of = sub {
        my ($file, $text, $what, $told, $second) = @_;
        my $id = given('autre.zip', zipped($file => encode('UTF-8', $text), 'fiscal.csv' => "responsable;parts\ng1;9\ng2;4\n"));
        is over($id), 'done', $what;
        is text("select string_agg(concat_ws(' ', e->>'code', nullif(e->>'key', '')), ', ' order by file = 'fiscal.csv', line)
            from portal.import_line l cross join lateral jsonb_array_elements(l.errors || l.detail) e where l.import_id = $id"), $told, 'is told';
        is $tax->(), $second, 'whose tax is whose';
    };
    over(given('responsables.csv', encode('UTF-8', $head . $g2)));
    my @one = ('unread_guardian g1', '3.00');
    my @both = ('unread_guardian g1, unread_guardian g2', '3.00');
    for (['a cell too few', "g1;G-1;Autre\n", 'cells', @one], ['cells too many', 'g1;G-1;Autre;Personne' . ';x' x 200 . "\n", 'cells', @both],
         ['a cell too many', "g1;G-1;Autre;Per;sonne\n", 'cells', @one], ['a quote', qq(g1;G-1;"Autre"x;Personne\n), 'quote', @one],
         ['a quote in the id', qq("g1"x;G-1;Autre;Personne\n), 'quote', @both], ['another separator', "g1,G-1,Autre,Personne\n", 'cells', @both],
         ['a byte of none', "g1\x01;G-1;Autre;Personne\n", 'control', @both], ['a long line', 'g1;G-1;Autre;' . 'x' x 70000 . "\n", 'long', @both]) {
        my ($what, $line, $code, $told, $shares) = @$_;
        $of->('responsables.csv', $head . $line, "$what: alone", "$code, $told", $shares);
        $of->('responsables.csv', $head . $g2 . $line, "$what: beside who is named", "$code, unread_guardian g1", $shares);
    }
    $of->('responsables.csv', "responsable;famille;nom;nom\ng1;G-1;Autre;Personne\n", 'a header with a column twice', 'duplicate, unread_guardian g1, unread_guardian g2', '3.00');
    $of->('responsables.csv', "famille;responsable;nom;prenom\nG-1;g1;Autre\n", 'an id behind what may be missing', "cells, $both[0]", '3.00');
    $of->('familles.csv', "famille;libelle\nG-1\n", 'a line of families names no guardian', 'cells', '9.00');
    over(given('fiscal.csv', "responsable;parts\ng1;3\n"));
    for (['no JSON', '{"type":"guardian","guardian":"g1",', 'json', $both[0]], ['no type', '{"guardian":"g1"}', 'kind', $both[0]],
         ['an id twice', '{"type":"guardian","guardian":"g1","responsable":"g3"}', 'duplicate', $both[0]],
         ['an id that is none', '{"type":"guardian","guardian":["g1"],"family":"G-1"}', 'type, required', $both[0]]) {
        my ($what, $line, $code, $told) = @$_;
        $of->('a.ndjson', "$line\n", "NDJSON: $what", "$code, $told", '3.00');
    }
    $of->('a.ndjson', qq({"type":"facture","guardian":"g1"}\n), 'a type that there is not', 'kind', '9.00');
}


### what is no such file

{
    my $whole = zipped(@bl);
    my $wrong = zipped('famille.csv' => csv(\@FAMILLE, ['B-1', ('') x 21]));
    my $at = index $wrong, "PK\1\2";
    substr($wrong, $at + 16, 1) ^= "\1";

    my @bad = (
        ['cut -', 'a zip that was cut', substr $whole, 0, length($whole) / 2],
        ['too_large -', 'a bomb', zipped('famille.csv' => "\0" x 8_000_000)],
        ['too_large -', 'too many files', zipped(map { ("f$_.csv" => 'x') } 1 .. 21)],
        ['zip famille.csv', 'a wrong checksum', $wrong],
        ['zip famille.csv', 'a zip within', zipped('famille.csv' => $whole)],
        ['utf32 x', 'UTF-32', encode('UTF-32LE', "famille;libelle\nG-1;Nœud\n")],
        ['encoding x', 'a PDF', '%PDF-1.7' . ' ' x 100],
        ['unknown_file x', 'something else', "a;b\n1;2\n"],
        ['empty -', 'no line', "famille;libelle\n", 'familles.csv'],
    );
    my @ids = map { given($_->[3] // 'x', $_->[2]) } @bad;

    for my $n (0 .. $#bad) {
        over($ids[$n]);
        is failure($ids[$n]), $bad[$n][0], $bad[$n][1];
    }

    my $id = given('short.zip', $whole, also => 'update portal.import_file
        set size = size + 1 where import_id = (select max(id) from portal.import)');
    over($id);
    is failure($id), 'cut -', 'bytes that are missing';
}


### a file that was cut: all before is there

my $MANY = 6000;
my $many = join '', "famille;libelle\n", map { "M-$_;Famille $_\n" } 1 .. $MANY;
{
    my $id = given('familles.csv', substr($many, 0, 100) . "M-0;\"Fam");
    is over($id), 'done', 'a file that was cut';
    like told($id), qr/^familles\.csv (\d+) libelle quote$/m, 'names line and column';
    ok $portal->psql("select count(*) from portal.import_line
        where import_id = $id and outcome = 'created'") >= 3, 'what was before it is taken';
}


# in the middle of a letter, or with a byte that is none: of UTF-8 all the same
{
    my $text = encode('UTF-8', "famille;libelle\nÉ-1;Hélène Nœud\nÉ-2;Zoé ");
    for my $bad (["\xc3", 'cut within a letter'], ["L\xe9o\nE-3;Paul\n", 'with a byte that is none']) {
        my $id = given('familles.csv', $text . $bad->[0], dry => 1);
        is over($id), 'checked', "a file $bad->[1]";
        like told($id), qr/^familles\.csv 3 libelle \w+$/, 'names line and column';
        is text("select f->>'encoding' from portal.import i cross join lateral jsonb_array_elements(i.files) f where i.id = $id"), 'UTF-8', 'and no other name is another';
        is text("select records->0->'values'->>'label' from portal.import_line where import_id = $id and line = 2"), 'Hélène Nœud', 'than it was';
    }
}


### in the middle of it

# each call that stages lines takes its time, until the code returned runs
sub slowly {
    $portal->psql("create or replace function portal.slow() returns trigger
        language plpgsql as 'begin perform pg_sleep(0.5); return null; end';
        create trigger slow before insert on portal.import_line
        execute function portal.slow()");

    return sub { $portal->psql('drop trigger slow on portal.import_line') };
}

sub staged { scalar $portal->psql("select count(*) from portal.import_line where import_id = $_[0]") }

{
    my $fast = slowly();
    my $id = given('familles.csv', $many);
    wait_for(patient(20), sub { staged($id) });
    kill 'KILL', $portal->nginx->workers;
    my $before = staged($id);
    cmp_ok $before, '<', $MANY, 'the workers are killed';
    is state_of($id), 'reading', 'in the middle of it';

    $fast->();
    $portal->psql("update portal.import set lease_until = now() where id = $id");
    is over($id), 'done', 'another worker goes on';
    is staged($id), $MANY, 'with each line once';
    is $portal->psql("select claims from portal.import where id = $id"), 2, 'at the second attempt';
    is $portal->psql("select count(*) from portal.family where external_id like 'M-%'"), $MANY,
        'and each family is there';
}
{
    my $fast = slowly();
    my $id = given('familles.csv', $many =~ s/Famille/Foyer/gr, dry => 1);
    wait_for(patient(20), sub { staged($id) });
    $portal->pg->stop('QUIT');
    $portal->pg->start;
    $fast->();
    is over($id), 'checked', 'PostgreSQL restarts in the middle of it';
    is $portal->psql("select claims from portal.import where id = $id"), 1,
        'and the same reader goes on';
    is staged($id), $MANY, 'each line is there once';
}
{
    my $fast = slowly();
    my $id = given('familles.csv', $many, dry => 1);
    wait_for(patient(20), sub { staged($id) });
    $portal->psql("update portal.import set state = 'cancelled', finished_at = now(),
        lease = null, lease_until = null where id = $id");
    $fast->();
    my $next = given('familles.csv', "famille;libelle\nN-1;x\n");
    is over($next), 'done', 'one that is cancelled gives way to the next';
    cmp_ok staged($id), '<', $MANY, 'and is not read further';
}


### the operator's own command, a path with a space and an apostrophe

{
    make_dir($portal->dir . "/l'export du jour", 0755);
    my $path = $portal->dir . "/l'export du jour/familles.csv";
    my $by_hand = sub {
        open my $out, '-|', 'psql', '-X', '-q', '-At', $portal->pg->psql_args,
            '-v', 'town=saint-aubin', '-v', "file=$path", @_, '-f', top() . '/sql/import.psql' or die;
        my ($id) = map { /^(\d+)$/ ? $1 : () } <$out>;
        return $id // 0;
    };

    spew($path, "famille;libelle\nO-1;Par psql\n", 0644);
    is over($by_hand->()), 'checked', 'sql/import.psql checks a file';
    is over($by_hand->('-v', 'dry=no')), 'done', 'and imports it with dry=no';
    is $portal->psql("select label from portal.family where external_id = 'O-1'"), 'Par psql', 'it is there';
}

is scalar(log_lines(qr/FR14|Le Goff|Roux/)), 0, 'nothing of the families is in the log';

done_testing;
