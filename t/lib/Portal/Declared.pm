package Portal::Declared;

# What the portal says of itself in its own files: forms, sections, who sees
# what, locations.

use strict;
use warnings;

use Exporter qw(import);

use Portal::Place qw(slurp top);

our @EXPORT_OK = qw(forms sections visibility locations);


# name => { flag => 1, fields => { name => { type, order, word => value } } }
sub forms {
    my %form;

    for my $file (glob top() . '/conf.d/portal/forms/*.form') {
        my ($name) = $file =~ m{([^/]+)\.form$};
        my $form = $form{$name} = { fields => {} };

        for (split /\n/, slurp($file) =~ s/#.*//gr) {
            my ($word, @rest) = split or next;
            if ($word ne 'field') { $form->{$word} = 1; next }
            my ($field, $type, @words) = @rest;
            $form->{fields}{$field} = { type => $type, order => scalar keys %{ $form->{fields} },
                map { /(\w+)(?:=(.*))?/; ($1 => $2 // 1) } @words };
        }
    }

    return \%form;
}


# section => { group, path, whole, checked, fields => [{ name, policy,
# validation, sealed }] }, as sql/fields.tsv has them
sub sections {
    my %section;

    for (grep { !/^#|^$/ } split /\n/, slurp(top() . '/sql/fields.tsv')) {
        my ($section, $field, @rest) = split /\t/;

        if ($field eq ':') {
            @{ $section{$section} }{qw(group path whole checked)} = map { $_ eq '-' ? '' : $_ } @rest;
        } else {
            push @{ $section{$section}{fields} }, { name => $field, policy => $rest[0],
                validation => $rest[1], sealed => $rest[2] eq 'sealed' };
        }
    }

    return \%section;
}


# group => viewer => { see, ask }
sub visibility {
    my %rule;

    for (grep { !/^#|^$/ } split /\n/, slurp(top() . '/sql/visibility.tsv')) {
        my ($group, $viewer, @may) = split /\t/;
        @{ $rule{$group}{$viewer} }{qw(see ask)} = map { $_ eq 't' ? 1 : 0 } @may;
    }

    return \%rule;
}


# of a file of conf.d/portal: { path, exact, open: the optional end of the
# path, body }; ids are {name}.  Dies where it has not understood one.
sub locations {
    my ($file) = @_;

    my $text = slurp(top() . "/conf.d/portal/$file.inc") =~ s/(?:^|\s)#.*//gmr;
    my $words = () = $text =~ /^location\b/gm;
    my @found;

    while ($text =~ /^location\s+([=~]\s*)?("[^"]*"|\S+)\s*\{(.*?)^\}/gms) {
        my ($exact, $path, $body) = ($1, $2, $3);

        $path =~ s/"//g;
        $path =~ s/^\^|\\z$//g;
        $path =~ s/\(\?<(\w+)>[^()]*\)/{$1}/g;
        $path =~ s/\\\././g;
        my $open = $path =~ s{\((/\{\w+\})\)\?$}{} ? $1 : undef;
        push @found, { path => $path, open => $open, exact => $exact ? 1 : 0, body => $body };
    }
    die "$file.inc: not each location was understood\n" if @found != $words;

    return @found;
}


1;
