package Portal::Sample;

# An export as BL.enfance writes it, of families that nobody is: four CSV files
# in a zip, with what such files have that is odd, and lines that are wrong.
#
#     Portal::Sample->write($file, families => 400);
#     my $files = Portal::Sample->files(families => 400);   # name => bytes

use strict;
use warnings;
use utf8;

use Encode ();
use IO::Compress::Zip qw(zip $ZipError ZIP_CM_DEFLATE);

my @LAST = ('Lefèvre', "N'Diaye", 'D’Almeida', 'Muñoz', 'Le Goff', 'Müller-Bréhat', 'Çelik', "L'Hermitte",
    'Van der Elst', 'Œuvrard', 'Nguyễn', 'Petit', 'Bernard', 'Dubois', 'Garnier', 'Kaya', 'Da Silva');
my @WOMEN = ('Anaïs', 'Zoé', 'Marie-Ève', 'Éloïse', 'Fatou', 'Inès', 'Soizic', 'Clémence', 'Maëlle', 'Yasmine');
my @MEN = ('Loïc', 'Jean-François', 'Théo', 'Aurélien', 'Mamadou', 'Gaël', 'Noël', 'Yann', 'Mehdi', 'Jérôme');
my @CHILDREN = ('Léa', 'Noé', 'Maël', 'Chloé', 'Aïcha', 'Eliott', 'Zélie', 'Jade', 'Raphaël', 'Lou-Anne', 'Tom');
my @STREETS = ('rue de l’Église', "rue de l'Abbé-Groult", 'chemin des Prés', 'avenue du Général-Leclerc', 'place d’Armes');

my @FAMILLE = ('id', 'aliasTiers', map({ my $n = $_; map { "$_$n" } qw(sexeResp nomResp prenomResp dateNaisResp
    telephoneResp portableResp telephoneProResp emailResp) } 1, 2), qw(adrNumeroVoie adrcodePostal adrLocalite
    typeModeReglementResp1));


sub files {
    my ($class, %o) = @_;

    my $n = $o{families} // 400;
    my (@famille, @enfant, @lien, @mandat);

    for my $i (1 .. $n) {
        my $id = 700_000 + $i;
        my $last = $LAST[$i % @LAST];
        my $two = $i % 3;                   # each third has one guardian

        push @famille, [$id, sprintf('T%05d', $i), _guardian($i, $last, 0),
            ($two ? _guardian($i, $LAST[($i + $i % 2) % @LAST], 1) : ('') x 8),
            (1 + $i % 120) . ($i % 11 ? '' : ' bis') . " $STREETS[$i % @STREETS]", '53' . sprintf('%03d', $i % 900),
            $i % 7 ? 'Saint-Aubin-les-Prés' : 'L’Île-d’Elle', $i % 2 ? 'PRELEVEMENT' : ''];

        for my $k (1 .. $i % 4) {
            my $child = 800_000 + 4 * $i + $k;
            push @enfant, [$child, $k % 2 ? 'FEMININ' : 'MASCULIN', $last, $CHILDREN[($i + 3 * $k) % @CHILDREN],
                sprintf '%02d/%02d/%d', 1 + ($i + $k) % 28, 1 + $i % 12, 2014 + ($i + 2 * $k) % 10];
            push @lien, [$id, $child];

            # the other household of a child whose parents live apart
            push @lien, [700_000 + 1 + $i % $n, $child] if $i % 10 == 0 && $k == 1;
        }
        push @mandat, [$id, sprintf('RUM-%06d', $i), sprintf('%02d/09/2025', 1 + $i % 28), _iban($i), 'BNPAFRPPXXX']
            if $i % 2;
    }

    _spoil(\@famille, \@enfant, \@lien, \@mandat) if $n >= 20;

    return {
        'famille.csv' => _csv(\@FAMILLE, @famille),
        'enfant.csv' => _csv([qw(Id sexe nom prenom dateNaissance)], @enfant),
        'enfantFamille.csv' => _csv([qw(famille_id enfant_id)], @lien),
        'mandat.csv' => _csv([qw(titulaire_id rum dateSignature iban bic)], @mandat),
    };
}


sub write {
    my ($class, $file, %o) = @_;

    my $files = $class->files(%o);
    my ($bytes, $zip) = '';

    for my $name (sort keys %$files) {
        if ($zip) { $zip->newStream(Name => $name, Time => 1_700_000_000, Method => ZIP_CM_DEFLATE) }
        else {
            $zip = IO::Compress::Zip->new(\$bytes, Name => $name, Time => 1_700_000_000, Method => ZIP_CM_DEFLATE)
                or die "zip: $ZipError\n";
        }
        $zip->print($files->{$name});
    }
    $zip->close;

    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $bytes;
    close $out or die "$file: $!\n";

    return $file;
}


# what people have typed, and what programs have made of it
sub _spoil {
    my ($famille, $enfant, $lien, $mandat) = @_;

    my %at = map { $FAMILLE[$_] => $_ } 0 .. $#FAMILLE;

    $famille->[3][$at{portableResp1}] = '06 39 98';                     # not whole
    $famille->[4][$at{emailResp1}] = 'sans-arobase.exemple.fr';
    $famille->[5][$at{dateNaisResp1}] = '31/02/1985';
    $famille->[6][$at{adrcodePostal}] = '5300';
    $famille->[7][$at{nomResp1}] = '';                                  # the file cannot be without
    $famille->[8][$at{adrNumeroVoie}] = "Résidence « Les Lilas »\nbât. B; 3e étage";
    $famille->[9][$at{nomResp1}] = '=cmd|calc';                         # a spreadsheet's formula
    $famille->[10][$at{portableResp1}] = '="0639980001"';               # a spreadsheet's text
    push @$famille, [@{ $famille->[0] }];                               # the same again
    push @$famille, [@{ $famille->[1] }];
    $famille->[-1][$at{adrLocalite}] = 'Ailleurs';                      # the same, otherwise
    $enfant->[2][4] = '2019-03-31';                                     # as ISO has it
    $enfant->[3][4] = '31/03/2090';
    $enfant->[4][1] = '';
    push @$lien, [799_999, $enfant->[0][0]], [$famille->[0][0], 899_999];
    $mandat->[1][3] =~ s/(\d)$/($1 + 1) % 10/e;
    $mandat->[2][4] = '';
}

sub _guardian {
    my ($i, $last, $second) = @_;

    my $first = $second ? $MEN[($i * 7) % @MEN] : $WOMEN[($i * 3) % @WOMEN];
    my $mail = lc(Encode::encode('ascii', "$first.$last", sub { '' })) =~ s/[^a-z.]//gr;

    return ($second ? 'MASCULIN' : 'FEMININ', $last, $first,
        sprintf('%02d/%02d/%d', 1 + $i % 28, 1 + ($i + $second) % 12, 1975 + $i % 20),
        $i % 5 ? '' : sprintf('03 53 01 %02d %02d', $i / 100 % 100, $i % 100),
        sprintf('06 39 98 %02d %02d', $i / 100 % 100, ($i + $second) % 100),
        '', $i % 6 ? "$mail.$i\@exemple.fr" : '');
}

# an account that is none, with the keys that it must have
sub _iban {
    my ($i) = @_;

    my $account = 10_000_000_000 + $i;
    my $rib = 97 - (89 * 30006 + 15 * 1 + 3 * $account) % 97;
    my $bban = sprintf '3000600001%011d%02d', $account, $rib;
    my $rest = 0;
    $rest = ($rest * 10 + $_) % 97 for split //, $bban . '152700';

    return sprintf 'FR%02d%s', 98 - $rest, $bban;
}

sub _csv {
    return Encode::encode('UTF-8', join '', map {
        join(';', map { /[;"\n]/ ? '"' . s/"/""/gr . '"' : $_ } @$_) . "\r\n" } @_);
}


1;
